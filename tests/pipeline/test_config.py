import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shapegan.pipeline.config import (
    CAVITIES,
    METHODS,
    MIXES,
    SCAN_SIGNS,
    THIN_PARTS,
    ConfigError,
    PreprocessConfig,
)

configs = st.builds(
    PreprocessConfig,
    resolutions=st.lists(st.integers(2, 1024), min_size=1, max_size=5).map(tuple),
    points=st.integers(1, 2**24),
    mixes=st.sets(st.sampled_from([*MIXES]), min_size=1).map(tuple),
    mix_points=st.integers(0, 2**24),
    on_surface_points=st.integers(0, 2**24),
    salient_points=st.just(0),
    sharp_angle=st.floats(1, 179),
    truncation=st.just(0.0) | st.floats(0.02, 2),
    method=st.just("winding"),
    sheet_thickness=st.floats(0, 0.2),
    cavities=st.sampled_from(CAVITIES),
    thin_parts=st.sampled_from(THIN_PARTS),
    shard_size=st.integers(1, 4096),
    seed=st.integers(0, 2**63 - 1),
) | st.one_of(
    st.builds(PreprocessConfig, method=st.sampled_from(METHODS)),
    st.builds(PreprocessConfig, method=st.just("scan"), signs=st.sampled_from(SCAN_SIGNS)),
)


def test_the_default_is_the_paper_set():
    config = PreprocessConfig()
    assert config.resolutions == (8, 16, 32, 64)
    assert config.points == 64**3
    assert config.method == "winding"
    assert config.mixes == ()


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
        ("mixes", ("nerf",)),
        ("mix_points", 5),
        ("mix_points", -1),
        ("on_surface_points", -1),
        ("on_surface_points", 2**24 + 1),
        ("salient_points", 2**24 + 1),
        ("sharp_angle", 0.5),
        ("sharp_angle", float("nan")),
        ("method", "magic"),
        ("signs", "magic"),
        ("signs", "normals"),
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


@pytest.mark.parametrize("truncation", [0.01, -0.1, 2.5, float("nan")])
def test_a_truncation_below_a_voxel_is_rejected(truncation):
    with pytest.raises(ConfigError, match=r"^truncation: got .*, takes 0, or 0.02 to 2$"):
        PreprocessConfig(resolutions=(128,), truncation=truncation)


def test_coarse_grids_are_never_truncated():
    assert PreprocessConfig(resolutions=(127,), truncation=0.3).truncation == 0
    assert PreprocessConfig(resolutions=(8, 128)).truncation == 0.1


@pytest.mark.parametrize("name", ["on_surface_points", "salient_points"])
def test_scans_have_no_normals(name):
    with pytest.raises(ConfigError, match=r"^method: got scan, takes winding, for points with"):
        PreprocessConfig(method="scan", **{name: 5})


def test_mixes_are_kept_once_in_one_order():
    assert PreprocessConfig(mixes=("vecset", "deepsdf", "vecset")).mixes == ("deepsdf", "vecset")


def test_old_settings_are_stored_as_before():
    stored = PreprocessConfig(points=9).to_dict()
    assert stored["cloud"] is False
    assert "mixes" not in stored
    assert PreprocessConfig(points=9).format_version == 2
    for new in ({"mixes": ("occnet",)}, {"salient_points": 5}, {"resolutions": (128,)}):
        config = PreprocessConfig(**new)
        assert config.format_version == 3
        assert "cloud" not in config.to_dict()


def test_signs_are_stored_only_where_they_are_not_as_before():
    for config in (PreprocessConfig(), PreprocessConfig(method="scan", salient_points=0)):
        assert "signs" not in config.to_dict()
    assert "signs" not in PreprocessConfig(mixes=("occnet",)).to_dict()
    assert PreprocessConfig(method="scan", signs="normals").to_dict()["signs"] == "normals"


def test_settings_of_format_2_are_read():
    """`cloud` was DeepSDF's mix with as many points as the other sets; no voxels were truncated."""
    old = PreprocessConfig.from_dict({"cloud": True, "points": 77, "resolutions": [128]})
    assert old == PreprocessConfig(
        resolutions=(128,),
        points=77,
        mixes=("deepsdf",),
        mix_points=77,
        truncation=0,
        thin_parts="true",
    )
    plain = PreprocessConfig.from_dict({"cloud": False})
    assert plain == PreprocessConfig(thin_parts="true")


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
        "mixes": ("occnet",),
        "mix_points": 5,
        "on_surface_points": 5,
        "salient_points": 5,
        "sharp_angle": 30.0,
        "truncation": 0.2,
        "method": "scan",
        "signs": "normals",
        "sheet_thickness": 0.1,
        "cavities": "fill",
        "thin_parts": "true",
        "shard_size": 1,
        "seed": 1,
    }
    needs = {
        "mix_points": {"mixes": ("vecset",)},
        "truncation": {"resolutions": (128,)},
        "signs": {"method": "scan"},
    }
    first = PreprocessConfig(**needs.get(field.name, {}))
    (line,) = first.difference(dataclasses.replace(first, **{field.name: other[field.name]}))
    assert line.startswith(f"{field.name}: ")


def test_a_config_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        PreprocessConfig().points = 3
    assert hash(PreprocessConfig()) == hash(PreprocessConfig(resolutions=(64, 32, 16, 8)))
