"""Test doubles of other projects' readers: their contracts, described from their sources.

Each names the function that it stands for. They read files as those do, and fail where those fail.
"""

import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class DeepSdfReader:
    """`deep_sdf.data.SDFSamples` of facebookresearch/DeepSDF.

    `split` is the content of a JSON file: data source -> class -> instances. Without a subsample it
    gives the npz; with one it takes half from each side, at random, after dropping rows whose
    distance is NaN. A side without rows is an index error there.
    """

    def __init__(self, data_source: Path, split_file: Path) -> None:
        split = json.loads(split_file.read_text())
        self.files = [
            data_source / "SdfSamples" / source / class_name / f"{instance}.npz"
            for source, classes in split.items()
            for class_name, instances in classes.items()
            for instance in instances
        ]

    def __len__(self) -> int:
        return len(self.files)

    def sides(self, index: int) -> tuple[Array, Array]:
        """`pos` and `neg`; the training clamps column 3 and feeds columns 0 to 2."""
        with np.load(self.files[index]) as arrays:
            sides = arrays["pos"], arrays["neg"]
        for side in sides:
            assert side.dtype == np.float32  # torch.from_numpy, then into float32 weights
            assert side.ndim == 2
            assert side.shape[1] == 4
        return sides

    def sample(self, index: int, count: int) -> Array:
        rng = np.random.default_rng(0)
        halves = []
        for side in self.sides(index):
            known = side[~np.isnan(side[:, 3])]
            halves.append(known[rng.integers(len(known), size=count // 2)])
        return np.concatenate(halves)

    def to_mesh(self, index: int, points: Array) -> Array:
        """`deep_sdf.metrics.chamfer`: x / scale - offset leads to the mesh's coordinates."""
        path = Path(str(self.files[index]).replace("SdfSamples", "NormalizationParameters"))
        with np.load(path) as arrays:
            return points / arrays["scale"] - arrays["offset"]


class OccNetReader:
    """`im2mesh.data.Shapes3dDataset` with `PointsField` of autonomousvision/occupancy_networks.

    Every folder right below the root is a category and must have the list of the split. A list is
    split at line breaks, so one at its end is a model without name. Occupancies are bits unless
    `points_unpackbits` is off. Batches stack all points of a validation shape, so all shapes need
    equally many.
    """

    def __init__(self, folder: Path, split: str) -> None:
        categories = sorted(one.name for one in folder.iterdir() if one.is_dir())
        self.folder = folder
        self.models = [
            (category, model)
            for category in categories
            for model in (folder / category / f"{split}.lst").read_text().split("\n")
        ]

    def __len__(self) -> int:
        return len(self.models)

    def load(self, index: int) -> dict[str, Array]:
        category, model = self.models[index]
        with np.load(self.folder / category / model / "points.npz") as arrays:
            points = arrays["points"]
            assert points.dtype != np.float16  # would get noise, to break its symmetry
            occupancies = np.unpackbits(arrays["occupancies"])[: len(points)].astype(np.float32)
            assert len(occupancies) == len(points)
            return {
                "points": points.astype(np.float32),
                "occ": occupancies,
                "loc": arrays["loc"].astype(np.float32),
                "scale": arrays["scale"].astype(np.float32),
            }

    def load_surface(self, index: int) -> dict[str, Array]:
        """`PointCloudField`: for `pointcloud.npz` as input, and for distances of results."""
        category, model = self.models[index]
        with np.load(self.folder / category / model / "pointcloud.npz") as arrays:
            names = ("points", "normals", "loc", "scale")
            return {name: arrays[name].astype(np.float32) for name in names}


class OriginalVoxelReader:
    """`datasets.VoxelDataset.from_split` of marian42/shapegan.

    The pattern has a place for the id; lines are stripped; files that do not exist are left out
    silently. Values are clamped to 0.1 and divided by it, in the array's own type.
    """

    def __init__(self, pattern: str, split_file: Path) -> None:
        names = [line.strip() for line in split_file.read_text().splitlines(keepends=True)]
        paths = [Path(pattern.format(name)) for name in names]
        self.paths = [path for path in paths if path.exists()]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Array:
        array = np.load(self.paths[index])
        assert array.dtype == np.float32  # fed to float32 weights as it is
        return np.clip(array, -0.1, 0.1) / np.float32(0.1)


class OriginalPointReader:
    """`datasets.PointDataset.from_split` of marian42/shapegan.

    The same random rows are taken from `uniform` and `surface`, which are pairs; the training
    splits them into three columns of position and one of distance.
    """

    def __init__(self, root: Path, split: str, count: int) -> None:
        names = (root / f"{split}.txt").read_text().split("\n")
        self.names = names[:-1] if names[-1] == "" else names
        self.root, self.count = root, count
        assert 0 < count <= 64**3

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        found = []
        for folder in ("uniform", "surface"):
            found.append(np.load(self.root / folder / f"{self.names[index]}.npy"))
            assert found[-1].dtype == np.float32
        rows = np.random.default_rng(index).choice(len(found[0]), self.count)
        return found[0][rows], found[1][rows]


def read_webdataset(path: Path) -> Iterator[dict[str, Any]]:
    """Samples of a tar file as `webdataset.WebDataset(path).decode()` groups and decodes them.

    A name is split at the first dot after the last slash: key and extension. Consecutive files of
    one key are a sample. The last part of the extension chooses the decoder.
    """
    sample: dict[str, Any] = {}
    with tarfile.open(path) as archive:
        for entry in archive:
            match = re.fullmatch(r"((?:.*/|)[^.]+)[.]([^/]*)", entry.name)
            assert match is not None
            assert entry.isfile()
            file = archive.extractfile(entry)
            assert file is not None
            content = file.read()
            if sample and sample["__key__"] != match[1]:
                yield sample
                sample = {}
            decoded = json.loads(content) if match[2].endswith("json") else _npy(content)
            assert match[2] not in sample
            sample |= {"__key__": match[1], match[2]: decoded}
    yield sample


def _npy(content: bytes) -> Array:
    found: Array = np.load(io.BytesIO(content))
    return found
