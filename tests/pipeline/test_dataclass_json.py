import json
from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shapegan.pipeline.dataclass_json import (
    differences,
    flatten,
    from_plain,
    nearest_name,
    to_plain,
)


class SettingError(ValueError):
    pass


@dataclass(frozen=True)
class Round:
    blur: float = 0.5
    width: float = 1.0


@dataclass(frozen=True)
class Square:
    corners: int = 4
    width: float = 1.0


@dataclass(frozen=True)
class Step:
    size: int
    epochs: float = 1.0


@dataclass(frozen=True)
class Settings:
    name: str
    steps: tuple[Step, ...] = ()
    brush: Round | Square | None = None
    pair: tuple[float, float] = (0.0, 1.0)
    limit: int | None = None
    label: str | None = None
    quick: bool = False
    order: Literal["up", "down"] = "up"
    counts: dict[str, int] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)

    def __post_init__(self):
        if self.name == "":
            raise SettingError("name: is empty")


numbers = st.floats(allow_nan=False)
settings_strategy = st.builds(
    Settings,
    name=st.text(min_size=1),
    steps=st.lists(st.builds(Step, size=st.integers(), epochs=numbers), max_size=3).map(tuple),
    brush=st.none()
    | st.builds(Round, blur=numbers, width=numbers)
    | st.builds(Square, corners=st.integers(), width=numbers),
    pair=st.tuples(numbers, numbers),
    limit=st.none() | st.integers(),
    label=st.none() | st.text(),
    quick=st.booleans(),
    order=st.sampled_from(["up", "down"]),
    counts=st.dictionaries(st.text(), st.integers(), max_size=3),
    names=st.lists(st.text(), max_size=3),
)


@given(settings=settings_strategy)
def test_json_restores_any_dataclass(settings):
    text = json.dumps(to_plain(settings))
    restored = from_plain(Settings, json.loads(text), SettingError)
    assert restored == settings
    assert differences(settings, restored) == []
    assert json.dumps(to_plain(restored)) == text


def test_fields_left_out_keep_their_defaults():
    assert from_plain(Settings, {"name": "a"}, SettingError) == Settings("a")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "missing setting: name"),
        ({"name": ""}, "name: is empty"),
        ({"name": 3}, "name: got 3, takes text"),
        ({"name": "a", "limit": 1.5}, "limit: got 1.5, takes a whole number or none"),
        ({"name": "a", "limit": True}, "limit: got True, takes a whole number or none"),
        ({"name": "a", "order": "left"}, "order: got 'left', takes up or down"),
        ({"name": "a", "quick": 1}, "quick: got 1, takes true or false"),
        ({"name": "a", "pair": [1, "x"]}, "pair.1: got 'x', takes a number"),
        ({"name": "a", "pair": [1, None]}, "pair.1: got None, takes a number"),
        ({"name": "a", "pair": [1, True]}, "pair.1: got True, takes a number"),
        ({"name": "a", "pair": [1]}, "pair: got [1], takes 2 values"),
        ({"name": "a", "pair": {}}, "pair: got {}, takes a list"),
        ({"name": "a", "steps": 3}, "steps: got 3, takes a list"),
        ({"name": "a", "steps": [{}]}, "missing setting: steps.0.size"),
        ({"name": "a", "steps": [4]}, "steps.0: got 4, takes settings of Step"),
        ({"name": "a", "counts": {"b": "c"}}, "counts.b: got 'c', takes a whole number"),
        ({"name": "a", "counts": [1]}, "counts: got [1], takes a mapping"),
        ({"name": "a", "lmit": 3}, "unknown setting: lmit (did you mean limit?)"),
        (
            {"name": "a", "steps": [{"size": 1, "epoch": 3}]},
            "unknown setting: steps.0.epoch (did you mean steps.0.epochs?)",
        ),
        ({"name": "a", "brush": {"width": 2}}, "brush: these settings fit Round or Square; give"),
        ([1], "settings: got [1], takes settings of Settings"),
        ("x" * 99, "settings: got 'xxxx"),
    ],
)
def test_errors_name_the_field_and_what_it_takes(values, message):
    with pytest.raises(SettingError) as error:
        from_plain(Settings, values, SettingError)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 120


def test_unknown_names_without_a_near_one_get_the_list_of_known_ones():
    with pytest.raises(SettingError) as error:
        from_plain(Settings, {"name": "a", "zzz": 1, "quik": 2}, SettingError)
    assert str(error.value) == (
        "unknown settings: quik (did you mean quick?), zzz; there are name, steps, brush, pair,"
        " limit, label, quick, order, counts, names"
    )


def test_numbers_written_as_text_are_read_where_a_field_is_a_float():
    assert from_plain(Settings, {"name": "a", "pair": ["1e-4", 2]}, SettingError).pair == (1e-4, 2)


def test_keys_or_given_types_choose_the_dataclass_of_a_union():
    by_keys = from_plain(Settings, {"name": "a", "brush": {"corners": 5}}, SettingError)
    assert by_keys.brush == Square(corners=5)
    values = {"name": "a", "brush": {"width": 2.0}}
    given_type = from_plain(Settings, values, SettingError, {"brush": Round | None})
    assert given_type.brush == Round(width=2.0)
    with pytest.raises(SettingError, match=r"^unknown setting: brush.corners; there are brush.b"):
        from_plain(Settings, {"name": "a", "brush": {"corners": 5}}, SettingError, {"brush": Round})


def test_differences_name_the_paths():
    mine = Settings("a", (Step(1), Step(2)), Round())
    theirs = Settings("a", (Step(1), Step(2, 3.0)), Square(), pair=(0.0, 2.0))
    assert differences(mine, theirs) == [
        "steps.1.epochs: 1.0 -> 3.0",
        "brush.blur: 0.5 -> None",
        "pair: [0.0, 1.0] -> [0.0, 2.0]",
        "brush.corners: None -> 4",
    ]


def test_flatten_keeps_lists_of_scalars_whole():
    assert flatten({"a": {"b": [1, 2]}, "c": [{"d": 1}, {"d": 2}]}) == {
        "a.b": [1, 2],
        "c.0.d": 1,
        "c.1.d": 2,
    }


def test_nearest_name_also_knows_a_path_by_its_last_name():
    known = ["critic.width", "objective.critic_steps", "objective.loss"]
    assert nearest_name("critic.widht", known) == "critic.width"
    assert nearest_name("critic_step", known) == "objective.critic_steps"
    assert nearest_name("width", known) == "critic.width"
    assert nearest_name("zzz", known) is None
