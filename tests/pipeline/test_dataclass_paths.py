from dataclasses import dataclass

import pytest

from shapegan.pipeline.dataclass_paths import replace_by_paths


class SettingError(ValueError):
    pass


@dataclass(frozen=True)
class Wide:
    width: float = 1.0
    name: str = "wide"


@dataclass(frozen=True)
class Deep:
    width: float = 1.0
    layers: int | None = None
    bias: bool = True


@dataclass(frozen=True)
class Stage:
    size: int
    epochs: float = 1.0
    fade: float = 0.0

    def __post_init__(self):
        if self.fade > self.epochs:
            raise SettingError("fade: takes 0 to epochs")


@dataclass(frozen=True)
class Settings:
    stages: tuple[Stage, ...] = (Stage(8), Stage(16))
    critic: Wide | Deep | None = None
    betas: tuple[float, float] = (0.0, 0.9)
    sizes: tuple[int, ...] = (1, 2)
    label: str | None = None


WITH_CRITIC = Settings(critic=Deep())


def changed(config=WITH_CRITIC, /, **changes):
    paths = {path.replace("__", "."): text for path, text in changes.items()}
    return replace_by_paths(config, paths, SettingError)


def test_texts_become_values_of_the_fields_types():
    new = changed(
        critic__width="5e-1",
        critic__layers="7",
        critic__bias="False",
        betas="0.5, .99",
        sizes="[3,4,5]",
        label="12",
        stages__1__size="32",
    )
    assert new == Settings((Stage(8), Stage(32)), Deep(0.5, 7, False), (0.5, 0.99), (3, 4, 5), "12")


def test_the_dataclass_itself_stays_unchanged():
    changed(critic__width="3")
    assert Settings(critic=Deep()) == WITH_CRITIC


def test_none_and_empty_lists_are_texts_as_well():
    base = Settings(critic=Deep(layers=3), label="x")
    new = changed(base, critic__layers="none", label="null", sizes="")
    assert new == Settings(critic=Deep(), sizes=())
    assert changed(base, critic="none").critic is None


def test_whole_dataclasses_are_given_as_json():
    assert changed(critic='{"width": 2, "layers": 3}').critic == Deep(2, 3)
    assert changed(Settings(), critic='{"layers": 3}').critic == Deep(layers=3)
    stages = changed(stages='[{"size": 4}, {"size": 5, "epochs": 2}]').stages
    assert stages == (Stage(4), Stage(5, 2))


def test_all_changes_apply_at_once_so_that_their_order_does_not_matter():
    for paths in (["stages.0.fade", "stages.0.epochs"], ["stages.0.epochs", "stages.0.fade"]):
        new = replace_by_paths(WITH_CRITIC, dict.fromkeys(paths, "5"), SettingError)
        assert new.stages[0] == Stage(8, 5, 5)


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("critic.widht", "1", "unknown setting: critic.widht (did you mean critic.width?)"),
        ("stages.2.size", "1", "unknown setting: stages.2.size (did you mean stages.0.size?)"),
        ("layer", "1", "unknown setting: layer (did you mean critic.layers?)"),
        ("zzz", "1", "unknown setting: zzz; there are stages, stages.0, stages.0.size,"),
        ("critic.width", "wide", "critic.width: got 'wide', takes a number"),
        ("critic.layers", "1.5", "critic.layers: got 1.5, takes a whole number or none"),
        ("critic.bias", "1", "critic.bias: got 1, takes true or false"),
        ("critic", "deep", "critic: got 'deep', takes settings of Deep or none"),
        ("betas", "0.5", "betas: got ['0.5'], takes 2 values"),
        ("sizes", "1,x", "sizes.1: got 'x', takes a whole number"),
        ("stages.0.fade", "2", "fade: takes 0 to epochs"),
    ],
)
def test_errors_are_one_line(path, text, message):
    with pytest.raises(SettingError) as error:
        replace_by_paths(WITH_CRITIC, {path: text}, SettingError)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_a_value_and_a_part_of_it_contradict_each_other():
    with pytest.raises(SettingError, match=r"^critic: set it as a whole or in parts, not both$"):
        replace_by_paths(WITH_CRITIC, {"critic": "none", "critic.width": "1"}, SettingError)
