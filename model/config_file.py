"""Config files of a training: YAML or JSON, whole configs or changes to a preset."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from shapegan.model.config import RECIPES, TrainConfig
from shapegan.model.config_check import TrainConfigError
from shapegan.model.presets import PRESETS, preset
from shapegan.pipeline.files import read_text


def config_text(config: TrainConfig) -> str:
    """Write a config as YAML, every setting of it; `load_config` reads it back."""
    text: str = yaml.dump(config.to_dict(), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


def load_config(
    path: Path, recipe: str | None = None, preset_name: str | None = None
) -> TrainConfig:
    """Read a config file.

    With a preset, named by the file's key `preset` or by the caller, the file holds changes to
    that preset: a list, such as `stages`, replaces the preset's list as a whole. Without a preset,
    the file holds a whole config, and settings that it leaves out have the defaults of
    `TrainConfig`.

    Args:
        path: YAML, or JSON in a file that ends in `.json`, such as a run's `config.json`.
        recipe: recipe that the caller wants; None: the file's, or `voxel` if there is a preset.
        preset_name: preset that the caller wants; None: the file's, if it names one.

    Raises:
        TrainConfigError: the file cannot be read, contradicts the caller, or holds an unknown or
            unusable setting.
    """
    values = _read_mapping(path)
    name = _agreed("preset", preset_name, values.pop("preset", None), PRESETS, path)
    recipe = _agreed("recipe", recipe, values.get("recipe"), RECIPES, path)
    if name is not None:
        base = preset(recipe or RECIPES[0], name)
        values = _merged(base.to_dict(), values)
    elif recipe is not None and "stages" in values:
        values["recipe"] = recipe
    else:
        raise TrainConfigError(
            f"{path} is not a whole config, with recipe and stages: name a preset to start from,"
            " as `preset` in the file or with --preset"
        )
    try:
        return TrainConfig.from_dict(values)
    except TrainConfigError as error:
        raise TrainConfigError(f"{path}: {error}") from error


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        text = read_text(path)
        values = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise TrainConfigError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise TrainConfigError(f"{path} is neither YAML nor JSON: {reason}") from error
    if not isinstance(values, dict):
        raise TrainConfigError(f"{path}: got no settings, takes lines such as `clip: 0.1`")
    return values


def _agreed(
    name: str, wanted: str | None, given: object, known: tuple[str, ...], path: Path
) -> str | None:
    """The caller's value or the file's; an error if they differ."""
    if given is None:
        return wanted
    if given not in known:
        raise TrainConfigError(f"{path}: {name}: got {given}, takes {' or '.join(known)}")
    if wanted not in (None, given):
        raise TrainConfigError(f"--{name} {wanted}: {path} has the {name} {given}")
    return str(given)


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Copy nested mappings with the values of others in place of theirs."""
    merged = dict(base)
    for name, value in changes.items():
        below = merged.get(name)
        both = isinstance(below, dict) and isinstance(value, dict)
        merged[name] = _merged(below or {}, value) if both else value
    return merged


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML has no types
    """YAML with lists of numbers on one line."""


def _represent_list(dumper: Any, values: list[Any]) -> Any:
    flow = not any(isinstance(one, dict | list) for one in values)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=flow)


_Dumper.add_representer(list, _represent_list)
