"""Files that are not read although they hold shapes: other 3D formats, and archives."""

from collections.abc import Mapping

from shapegan.pipeline.meshes.compressed import COMPRESSIONS
from shapegan.pipeline.meshes.load import FILE_SUFFIXES, SUFFIXES

ARCHIVES = (
    *(".zip", ".rar", ".7z", ".tar", ".tgz", ".tbz2", ".txz", ".tzst"),
    *(".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst"),
)
"""Suffixes of archives, in lower case."""

_FORMATS = (
    # Scenes and meshes.
    *(".fbx", ".dae", ".zae", ".3ds", ".3mf", ".amf", ".x3d", ".x3dv", ".wrl", ".vrml", ".blend"),
    *(".usd", ".usda", ".usdc", ".usdz", ".abc", ".max", ".ma", ".mb", ".c4d", ".lwo", ".lws"),
    *(".skp", ".3dm", ".ac", ".b3d", ".ms3d", ".md2", ".md3", ".md5mesh", ".ctm", ".drc", ".x"),
    *(".mesh", ".msh", ".vtk", ".vtp", ".vtu", ".inp", ".nas", ".bdf", ".wrz", ".x3dz", ".xgl"),
    # CAD.
    *(".step", ".stp", ".iges", ".igs", ".brep", ".brp", ".dxf", ".dwg", ".sldprt", ".sldasm"),
    *(".ipt", ".iam", ".catpart", ".catproduct", ".x_t", ".x_b", ".jt", ".ifc", ".sat", ".fcstd"),
    # Points and voxels.
    *(".pcd", ".xyz", ".las", ".laz", ".e57", ".pts", ".ptx", ".binvox", ".vox", ".splat"),
)
"""Suffixes of other 3D formats, in lower case."""

_OTHER_COMPRESSIONS = (".zst", ".lz4", ".br", ".lzma", ".z")

_UNREAD = frozenset(
    (
        *ARCHIVES,
        *_FORMATS,
        *(f"{one}{packing}" for one in _FORMATS for packing in COMPRESSIONS),
        *(f"{one}{packing}" for one in (*SUFFIXES, *_FORMATS) for packing in _OTHER_COMPRESSIONS),
    )
)

_MAX_NAMED = 8
"""Limit of the suffixes that a message names."""


def unread_suffix(name: str) -> str:
    """Suffix of a file of another 3D format, or of an archive, in lower case; else empty."""
    stem, _, last = name.lower().rpartition(".")
    second = stem.rpartition(".")[2] if "." in stem else ""
    for suffix in (f".{second}.{last}", f".{last}"):
        if suffix in _UNREAD and suffix not in FILE_SUFFIXES:
            return suffix
    return ""


def list_unread(counts: Mapping[str, int]) -> str:
    """List the suffixes with their numbers, the most frequent first: `12 .fbx, 3 .zip`."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{count:,} {suffix}" for suffix, count in ordered[:_MAX_NAMED]]
    rest = sum(count for _, count in ordered[_MAX_NAMED:])
    return ", ".join([*named, *([f"{rest:,} others"] if rest else [])])
