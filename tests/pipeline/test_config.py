import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shapegan.pipeline.config import CAVITIES, METHODS, THIN_PARTS, ConfigError, PreprocessConfig

configs = st.builds(
    PreprocessConfig,
    resolutions=st.lists(st.integers(2, 1024), min_size=1, max_size=5).map(tuple),
    points=st.integers(1, 2**24),
    cloud=st.booleans(),
    method=st.sampled_from(METHODS),
    sheet_thickness=st.floats(0, 0.2),
    cavities=st.sampled_from(CAVITIES),
    thin_parts=st.sampled_from(THIN_PARTS),
    shard_size=st.integers(1, 4096),
    seed=st.integers(0, 2**63 - 1),
)


def test_the_default_is_the_paper_set():
    config = PreprocessConfig()
    assert config.resolutions == (8, 16, 32, 64)
    assert config.points == 64**3
    assert config.method == "winding"
    assert not config.cloud


@given(config=configs)
def test_json_brings_a_config_back(config):
    values = json.loads(json.dumps(config.to_dict()))
    assert PreprocessConfig.from_dict(values) == config
    assert config.difference(PreprocessConfig.from_dict(values)) == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("resolutions", ()),
        ("resolutions", (1, 8)),
        ("resolutions", (8, 1025)),
        ("points", -1),
        ("points", 2**24 + 1),
        ("method", "magic"),
        ("sheet_thickness", -0.001),
        ("sheet_thickness", 0.21),
        ("sheet_thickness", float("nan")),
        ("cavities", "none"),
        ("thin_parts", "drop"),
        ("shard_size", 0),
        ("shard_size", 4097),
        ("seed", -1),
        ("seed", 2**63),
    ],
)
def test_unusable_settings_are_rejected_in_one_line(setting, value):
    with pytest.raises(ConfigError) as error:
        PreprocessConfig(**{setting: value})
    line = str(error.value)
    assert line.startswith(f"{setting}: got ")
    assert ", takes " in line
    assert "\n" not in line


def test_a_cloud_needs_points():
    with pytest.raises(ConfigError, match=r"^cloud: got True, takes points above 0$"):
        PreprocessConfig(points=0, cloud=True)
    assert PreprocessConfig(points=0).points == 0


def test_limits_themselves_are_accepted():
    PreprocessConfig(resolutions=(2, 1024), points=2**24, sheet_thickness=0.2, shard_size=4096)
    PreprocessConfig(sheet_thickness=0, shard_size=1, seed=2**63 - 1)


def test_resolutions_are_sorted_and_kept_once():
    assert PreprocessConfig(resolutions=(32, 8, 32)).resolutions == (8, 32)


def test_unknown_settings_are_named():
    with pytest.raises(ConfigError) as error:
        PreprocessConfig.from_dict({"pionts": 1, "flavour": 2, "cloud": True})
    message = "unknown settings: flavour, pionts (did you mean points?); there are resolutions, "
    assert str(error.value).startswith(message)


def test_settings_of_another_type_are_refused():
    with pytest.raises(ConfigError, match=r"^points: got 'many', takes a whole number$"):
        PreprocessConfig.from_dict({"points": "many"})
    with pytest.raises(ConfigError, match=r"^resolutions: got 8, takes a list$"):
        PreprocessConfig.from_dict({"resolutions": 8})


def test_missing_settings_are_the_defaults_of_their_time():
    """Datasets from before the setting `thin_parts` have true fields."""
    assert PreprocessConfig.from_dict({}) == PreprocessConfig(thin_parts="true")


def test_difference_names_what_differs():
    mine = PreprocessConfig()
    theirs = PreprocessConfig(points=1024, resolutions=(8,), seed=3)
    assert mine.difference(theirs) == [
        "resolutions: [8, 16, 32, 64] -> [8]",
        "points: 262144 -> 1024",
        "seed: 0 -> 3",
    ]
    assert mine.difference(PreprocessConfig()) == []


@pytest.mark.parametrize(
    "field", dataclasses.fields(PreprocessConfig), ids=lambda field: field.name
)
def test_the_difference_covers_every_setting(field):
    other = {
        "resolutions": (8,),
        "points": 1,
        "cloud": True,
        "method": "scan",
        "sheet_thickness": 0.1,
        "cavities": "fill",
        "thin_parts": "true",
        "shard_size": 1,
        "seed": 1,
    }
    (line,) = PreprocessConfig().difference(PreprocessConfig(**{field.name: other[field.name]}))
    assert line.startswith(f"{field.name}: ")


def test_a_config_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        PreprocessConfig().points = 3
    assert hash(PreprocessConfig()) == hash(PreprocessConfig(resolutions=(64, 32, 16, 8)))
