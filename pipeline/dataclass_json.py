"""Conversion of dataclasses from and to plain values, such as those of JSON and YAML files.

Fields may be bool, int, float, str, literals, None, dataclasses, unions, and tuples, lists and
dicts of them.
"""

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Instance = TypeVar("Instance", bound="DataclassInstance")

_MIN_LIKENESS = 0.6
"""Names with less in common are not suggested; the cutoff of `difflib.get_close_matches`."""

_EXPECTED = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    types.NoneType: "none",
    dict: "a mapping",
    list: "a list",
    tuple: "a list",
}


def to_plain(config: "DataclassInstance") -> dict[str, Any]:
    """Convert a dataclass, and those in it, to dicts, lists and scalars, in order of the fields."""
    return {f.name: _plain(getattr(config, f.name)) for f in dataclasses.fields(config)}


def from_plain(
    cls: type[Instance],
    values: object,
    error: type[Exception],
    field_types: Mapping[str, Any] | None = None,
) -> Instance:
    """Build a dataclass from plain values: the inverse of `to_plain`.

    Lists become tuples where the field is a tuple. Numbers for float fields may be written as text,
    because YAML reads `1e-4` as text. Among several dataclasses in a union, the one is taken that
    has all the names of the mapping.

    Args:
        cls: the dataclass.
        values: field name -> value. Fields left out keep their defaults.
        error: what to raise; called with one line that names the field by its path, `critic.width`.
        field_types: field name -> type to use instead of the annotated one, such as the one
            dataclass of a union that another field calls for.

    Raises:
        error: a name is unknown (the message gives the nearest known one), a required field is
            missing, or a value has the wrong type. Errors of `__post_init__` pass unchanged.
    """
    return Reader(error).build(cls, values, "", field_types or {})


def differences(mine: "DataclassInstance", theirs: "DataclassInstance") -> list[str]:
    """List the fields in which two dataclasses differ, one line each: `path: mine -> theirs`."""
    a, b = flatten(to_plain(mine)), flatten(to_plain(theirs))
    paths = list(dict.fromkeys([*a, *b]))
    return [
        f"{path}: {a.get(path)} -> {b.get(path)}" for path in paths if a.get(path) != b.get(path)
    ]


def flatten(values: object, path: str = "") -> dict[str, Any]:
    """Flatten plain values to path -> value; lists of scalars stay whole."""
    inner = named_items(values)
    if inner is None:
        return {path: values}
    flat: dict[str, Any] = {}
    for name, value in inner.items():
        flat |= flatten(value, join_path(path, name))
    return flat


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Find the known path whose last name looks most like that of a mistyped one, or None.

    Among equals the whole path decides, so `critic_step` finds `objective.critic_steps`.
    """

    def likeness(path: str) -> tuple[float, float]:
        return _likeness(_last_name(name), _last_name(path)), _likeness(name, path)

    best = max(known, key=likeness, default="")
    return best if likeness(best)[0] >= _MIN_LIKENESS else None


def _likeness(a: str, b: str) -> float:
    """Share of characters that two names have in common, 0 to 1."""
    return difflib.SequenceMatcher(None, a, b).ratio()


def _last_name(path: str) -> str:
    return path.rpartition(".")[2]


class Reader:
    """Builds values of annotated types; raises `error` with the path of what does not fit."""

    def __init__(self, error: type[Exception]) -> None:
        self.error = error

    def build(
        self, cls: type[Instance], values: object, path: str, field_types: Mapping[str, Any]
    ) -> Instance:
        """Build a dataclass; see `from_plain`."""
        if not isinstance(values, Mapping):
            raise self._wrong(cls, values, path)
        fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
        names = {str(name): value for name, value in values.items()}
        if unknown := [join_path(path, name) for name in names if name not in fields]:
            raise self.error(unknown_message(unknown, [join_path(path, name) for name in fields]))
        if missing := [
            join_path(path, name)
            for name, f in fields.items()
            if name not in names
            and f.default is dataclasses.MISSING
            and f.default_factory is dataclasses.MISSING
        ]:
            raise self.error(f"missing setting: {', '.join(missing)}")
        hints = typing.get_type_hints(cls) | dict(field_types)
        return cls(
            **{
                name: self.convert(hints[name], value, join_path(path, name))
                for name, value in names.items()
            }
        )

    def convert(self, hint: Any, value: object, path: str) -> Any:
        """Convert a plain value to a type, which may be a union."""
        members = members_of(hint)
        if isinstance(value, Mapping):
            return self._convert_mapping(hint, value, path)
        if isinstance(value, list | tuple):
            return self._convert_list(hint, value, path)
        if Any in members or type(value) in members or value in _literals(members):
            return value
        if float in members and not isinstance(value, bool):
            if isinstance(value, int):
                return value
            try:
                return float(str(value))
            except ValueError:
                raise self._wrong(hint, value, path) from None
        raise self._wrong(hint, value, path)

    def _convert_mapping(self, hint: Any, value: Mapping[Any, Any], path: str) -> Any:
        members = members_of(hint)
        classes = [one for one in members if dataclasses.is_dataclass(one)]
        fitting = [c for c in classes if set(value) <= {f.name for f in dataclasses.fields(c)}]
        if len(fitting) > 1:
            names = " or ".join(one.__name__ for one in fitting if isinstance(one, type))
            raise self.error(f"{path}: these settings fit {names}; give more of them")
        if classes:
            one = (fitting or classes)[0]
            return self.build(typing.cast("type[Any]", one), value, path, {})
        for member in members:
            if typing.get_origin(member) is dict:
                inner = typing.get_args(member)[1]
                return {
                    k: self.convert(inner, v, join_path(path, str(k))) for k, v in value.items()
                }
        if Any in members:
            return value
        raise self._wrong(hint, value, path)

    def _convert_list(self, hint: Any, value: list[Any] | tuple[Any, ...], path: str) -> Any:
        for member in members_of(hint):
            if member is Any:
                return value
            kind = typing.get_origin(member)
            if kind in (list, tuple):
                items = item_types(member, len(value))
                if len(items) != len(value):
                    takes = f"{len(items)} values"
                    raise self.error(f"{path}: got {_shown(value)}, takes {takes}")
                numbered = enumerate(zip(items, value, strict=True))
                return kind(
                    self.convert(t, one, join_path(path, str(k))) for k, (t, one) in numbered
                )
        raise self._wrong(hint, value, path)

    def _wrong(self, hint: Any, value: object, path: str) -> Exception:
        expected = " or ".join(_expected(member) for member in members_of(hint))
        return self.error(f"{path or 'settings'}: got {_shown(value)}, takes {expected}")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_plain(value)
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return value


def members_of(hint: Any) -> tuple[Any, ...]:
    """Types of a union, or the type itself."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return typing.get_args(hint)
    return (hint,)


def _literals(members: Iterable[Any]) -> list[Any]:
    """Values of the literal types among the members."""
    literal_types = (one for one in members if typing.get_origin(one) is typing.Literal)
    return [value for one in literal_types for value in typing.get_args(one)]


def item_types(member: Any, count: int) -> tuple[Any, ...]:
    """Types of the items of a tuple or list type that holds `count` of them."""
    arguments = typing.get_args(member)
    if typing.get_origin(member) is list or arguments[-1] is Ellipsis:
        return (arguments[0],) * count
    return arguments


def named_items(values: object) -> Mapping[str, Any] | None:
    """Name -> value of a mapping or a list of mappings; None for anything else."""
    if isinstance(values, list) and any(isinstance(one, dict) for one in values):
        return {str(number): one for number, one in enumerate(values)}
    return values if isinstance(values, dict) else None


def join_path(path: str, name: str) -> str:
    """Append a name to a path, which may be empty."""
    return f"{path}.{name}" if path else name


def unknown_message(unknown: Iterable[str], known: Iterable[str]) -> str:
    """Write the line that reports unknown names, each with the nearest known one."""
    known = list(known)
    nearest = {name: nearest_name(name, known) for name in sorted(unknown)}
    named = [f"{name} (did you mean {one}?)" if one else name for name, one in nearest.items()]
    message = f"unknown setting{'s' if len(named) > 1 else ''}: {', '.join(named)}"
    return message if all(nearest.values()) else f"{message}; there are {', '.join(known)}"


def _expected(member: Any) -> str:
    if dataclasses.is_dataclass(member) and isinstance(member, type):
        return f"settings of {member.__name__}"
    if typing.get_origin(member) is typing.Literal:
        return " or ".join(str(value) for value in typing.get_args(member))
    return _EXPECTED.get(typing.get_origin(member) or member, str(member))


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
