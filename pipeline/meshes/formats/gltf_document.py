"""Containers of glTF 2.0: the JSON tree, its buffers and its buffer views.

Source: the Khronos glTF 2.0 specification, sections 3.6 (buffers) and 4 (GLB).
"""

import base64
import binascii
import json
import os
import re
import stat
import urllib.parse
from pathlib import Path
from typing import Any

from shapegan.pipeline.meshes.formats.gltf_compression import decode_view, meshopt_extension
from shapegan.pipeline.meshes.formats.text import FormatError, printable

Json = dict[str, Any]

_MAGIC = b"glTF"
_JSON, _BINARY = 0x4E4F534A, 0x004E4942
_HEADER, _CHUNK_HEADER = 12, 8
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")

_KNOWN = re.compile(
    r"KHR_(mesh_quantization|node_visibility|draco_mesh_compression|meshopt_compression"
    r"|materials_\w+|texture_\w+|lights_\w+|animation_\w+|xmp\w*|node_\w+ability|interactivity"
    r"|techniques?_webgl)"
    r"|EXT_(mesh_gpu_instancing|meshopt_compression|mesh_features|instance_features"
    r"|structural_metadata|texture_\w+|lights_\w+|materials_\w+)"
    r"|(ADOBE|MSFT|NV)_(materials|texture)_\w+|GODOT_single_root|VRM|VRMC_\w+"
)
"""Extensions that are read, and those that do not change positions or faces."""


class Document:
    """A glTF file: its JSON tree, and the bytes of its buffers, which are read when needed."""

    def __init__(self, data: bytes, folder: Path) -> None:
        """Parse a file.

        Args:
            data: contents of a `.gltf` or `.glb` file; its first bytes decide which.
            folder: folder of the file; buffers are searched there and below.

        Raises:
            FormatError: the file is truncated, is not glTF 2.0, or requires an unknown extension.
        """
        text, self._binary = _chunks(data) if data.startswith(_MAGIC) else (data, None)
        self.tree = _parse_json(text)
        self._folder = folder
        self._buffers: dict[int, bytes] = {}
        self._views: dict[int, bytes] = {}
        self.required = [printable_text(name) for name in self.tree.get("extensionsRequired", [])]
        version = str(self.tree.get("asset", {}).get("version", ""))
        if not version.startswith("2"):
            raise _version_error(version)
        unknown = [name for name in self.required if not _KNOWN.fullmatch(name)]
        if unknown:
            raise FormatError(f"needs the glTF extension {unknown[0]}, which is not supported")

    def item(self, kind: str, index: Any) -> Json:
        """Object number `index` of the list `kind`, such as "nodes".

        Raises:
            FormatError: there is none.
        """
        items = self.tree.get(kind, [])
        if isinstance(index, float) and index.is_integer():  # some exporters write 1.0
            index = int(index)
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(items):
            raise FormatError(f"{kind} has no item {printable_text(index)}: it has {len(items)}")
        item: Json = items[index]
        return item

    def view(self, index: Any) -> bytes:
        """Bytes of a buffer view, decompressed.

        Raises:
            FormatError: the view reaches beyond its buffer, or cannot be decompressed.
        """
        view = self.item("bufferViews", index)
        if index not in self._views:
            compressed = meshopt_extension(view)
            if compressed and not self._has_data(view.get("buffer")):
                self._views[index] = decode_view(compressed, self._slice(compressed, index))
            else:
                self._views[index] = self._slice(view, index)
        return self._views[index]

    def _slice(self, view: Json, index: int) -> bytes:
        data = self._buffer(view.get("buffer"))
        start, length = whole(view, "byteOffset", 0), whole(view, "byteLength", 0)
        if start + length > len(data):
            raise FormatError(
                f"truncated: buffer view {index} ends at byte {start + length}, "
                f"its buffer at {len(data)}"
            )
        return data if length == len(data) else data[start : start + length]

    def _has_data(self, index: Any) -> bool:
        """False for buffers that only stand in for the decompressed data."""
        return "uri" in self.item("buffers", index) or (index == 0 and self._binary is not None)

    def _buffer(self, index: Any) -> bytes:
        buffer = self.item("buffers", index)
        if index not in self._buffers:
            if "uri" in buffer:
                self._buffers[index] = _read_uri(str(buffer["uri"]), self._folder)
            elif index == 0 and self._binary is not None:
                self._buffers[index] = self._binary
            else:
                raise FormatError(f"buffer {index} has no data: neither a URI nor a GLB chunk")
        return self._buffers[index]


def whole(item: Json, name: str, default: int | None = None) -> int:
    """A whole number, 0 or larger, of a JSON object.

    Raises:
        FormatError: there is something else, or nothing and no default.
    """
    value = item.get(name, default)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise FormatError(f"{name} is {printable_text(value)}, expected a whole number from 0 on")
    return value


def printable_text(value: Any) -> str:
    """A short form of any value, for messages."""
    text = value if isinstance(value, str) else repr(value)
    return text[:40].encode("unicode_escape").decode("ascii")


def _chunks(data: bytes) -> tuple[bytes, bytes | None]:
    """JSON and binary chunk of a GLB file; bytes after the last chunk are ignored.

    A binary chunk is read even where the header declares too short a file for it.
    """
    if data[4:8] == b"\x01\0\0\0":
        raise _version_error("1.0")
    declared = int.from_bytes(data[8:_HEADER], "little")
    declared = max(declared, _HEADER + _CHUNK_HEADER)
    if len(data) < declared:
        raise FormatError(f"truncated: {len(data)} bytes of a GLB file of at least {declared}")
    found: dict[int, bytes] = {}
    position = _HEADER
    while position + _CHUNK_HEADER <= len(data):
        length, kind = (
            int.from_bytes(data[at : at + 4], "little") for at in (position, position + 4)
        )
        if position >= declared and found and (kind != _BINARY or _BINARY in found):
            break
        position += _CHUNK_HEADER
        if position + length > len(data):
            raise FormatError(
                f"truncated: a chunk of the GLB file ends at byte {position + length}, "
                f"the file at {len(data)}"
            )
        found.setdefault(kind, data[position : position + length])
        position += length
    if _JSON not in found:
        raise FormatError("not a GLB file: it has no JSON chunk")
    return found[_JSON], found.get(_BINARY)


def _parse_json(text: bytes) -> Json:
    try:
        tree = json.loads(text.rstrip(b"\0").decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise FormatError(f"not a glTF file: byte {error.start} is not UTF-8") from error
    except json.JSONDecodeError as error:
        line = f"not a glTF file or truncated: {error.msg} in line {error.lineno} of its JSON"
        raise FormatError(line) from error
    except (RecursionError, ValueError) as error:  # nested too deeply; a number of 5,000 digits
        raise FormatError("not a glTF file: its JSON is nested too deeply or invalid") from error
    if not isinstance(tree, dict):
        raise FormatError("not a glTF file: its JSON is not an object")
    return tree


def _version_error(version: str) -> FormatError:
    if version.startswith("1"):
        return FormatError("glTF 1.0: save it as glTF 2.0")
    return FormatError(f"not a glTF 2.0 file: its version is '{printable_text(version)}'")


def _read_uri(uri: str, folder: Path) -> bytes:
    if uri[:5].lower() == "data:":
        return _decode_data_uri(uri)
    shown = printable(uri.encode("utf-8", "replace"))
    if _SCHEME.match(uri):
        raise FormatError(f"the buffer '{shown}' is not a file beside the glTF file")
    decoded = urllib.parse.unquote(uri, errors="surrogateescape")
    for name in (decoded, uri, decoded.replace("\\", "/")):
        inside = Path(os.path.normpath(name))
        if inside.is_absolute() or os.pardir in inside.parts:
            raise FormatError(f"the buffer '{shown}' lies outside the glTF file's folder")
        try:
            path = folder / inside
            if stat.S_ISREG(path.stat().st_mode):  # reading a pipe could block forever
                return path.read_bytes()
        except (OSError, ValueError):  # ValueError: a NUL in the name
            continue
    raise FormatError(f"the buffer file '{shown}' is missing or cannot be read")


def _decode_data_uri(uri: str) -> bytes:
    head, comma, body = uri.partition(",")
    if not comma:
        raise FormatError("truncated: a data URI has no data")
    if not head.lower().endswith(";base64"):
        return urllib.parse.unquote_to_bytes(body)
    try:
        text = urllib.parse.unquote_to_bytes(body).translate(bytes.maketrans(b"-_", b"+/"))
        return base64.b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error as error:
        raise FormatError("a data URI is not valid base64") from error
