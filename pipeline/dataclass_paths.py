"""Replacement of single values in nested dataclasses, named by their paths: `critic.width=0.5`."""

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from shapegan.pipeline.dataclass_json import (
    Reader,
    item_types,
    join_path,
    members_of,
    named_items,
    to_plain,
    unknown_message,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Instance = TypeVar("Instance", bound="DataclassInstance")


def replace_by_paths(
    config: Instance, changes: Mapping[str, str], error: type[Exception]
) -> Instance:
    """Copy a dataclass with single values replaced, all at once, each given as text.

    Args:
        config: the dataclass; it is not changed.
        changes: path -> text, such as `critic.width` -> `0.5` or `stages.0.batch` -> `16`. Each
            text is read as the type of its field: `none` for None, `0.9,0.99` or `[0.9, 0.99]` for
            a tuple, JSON for a dataclass.
        error: what to raise; called with one line.

    Raises:
        error: a path is unknown (the message gives the nearest known one), two paths contradict
            each other, or a text does not have the field's type.
    """
    known = _paths(to_plain(config))
    if unknown := [path for path in changes if path not in known]:
        raise error(unknown_message(unknown, known))
    replaced: Instance = _replace(Reader(error), config, type(config), changes, "")
    return replaced


def _replace(reader: Reader, value: Any, hint: Any, changes: Mapping[str, str], path: str) -> Any:
    """Replace what paths below a value name; the empty path names the value itself."""
    if "" in changes:
        if len(changes) > 1:
            raise reader.error(f"{path}: set it as a whole or in parts, not both")
        hint = _narrowed(hint, value)
        return reader.convert(hint, _read_text(changes[""], hint), path)
    below: dict[str, dict[str, str]] = {}
    for name, text in changes.items():
        first, _, rest = name.partition(".")
        below.setdefault(first, {})[rest] = text
    if isinstance(value, tuple):
        items = item_types(_narrowed(hint, value), len(value))
        return tuple(
            _replace(reader, one, item, below[str(k)], join_path(path, str(k)))
            if str(k) in below
            else one
            for k, (item, one) in enumerate(zip(items, value, strict=True))
        )
    hints = typing.get_type_hints(type(value))
    return dataclasses.replace(
        value,
        **{
            name: _replace(reader, getattr(value, name), hints[name], inner, join_path(path, name))
            for name, inner in below.items()
        },
    )


def _read_text(text: str, hint: Any) -> Any:
    """Turn the text of one value into a plain value, as its type calls for."""
    members = members_of(hint)
    if types.NoneType in members and text.lower() in ("none", "null"):
        return None
    if str in members:
        return text
    if bool in members and text.lower() in ("true", "false"):
        return text.lower() == "true"
    for member in members:
        if typing.get_origin(member) in (list, tuple) and not text.lstrip().startswith("["):
            parts = [part.strip() for part in text.split(",")] if text.strip() else []
            items = item_types(member, len(parts))
            if len(items) != len(parts):
                return parts
            return [_read_text(part, item) for part, item in zip(parts, items, strict=True)]
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _narrowed(hint: Any, value: object) -> Any:
    """Narrow a union to None and the type that the present value has, if it is compound."""
    if not (dataclasses.is_dataclass(value) or isinstance(value, tuple)):
        return hint
    kept = [
        one
        for one in members_of(hint)
        if one is types.NoneType or isinstance(value, typing.get_origin(one) or one)
    ]
    return typing.Union[tuple(kept)]  # noqa: UP007 - the types are known only now


def _paths(values: object, path: str = "") -> list[str]:
    """All paths that lead to plain values, those of compound ones included."""
    inner = named_items(values) or {}
    below = [one for name, value in inner.items() for one in _paths(value, join_path(path, name))]
    return [path, *below] if path else below
