"""The dataset that commands use if none is named."""

from pathlib import Path

from shapegan.pipeline.dataset.manifest import DatasetError
from shapegan.pipeline.schema import MANIFEST_NAME

DEFAULT_DATA = Path("datasets")


def resolve_data(path: Path | None) -> Path:
    """Folder of a dataset: the given one, or `datasets`, or the only dataset in it.

    Raises:
        DatasetError: there is no dataset in `datasets`, or more than one.
    """
    if path is not None:
        return path
    if (DEFAULT_DATA / MANIFEST_NAME).exists():
        return DEFAULT_DATA
    found = sorted(manifest.parent for manifest in DEFAULT_DATA.glob(f"*/{MANIFEST_NAME}"))
    if len(found) == 1:
        return found[0]
    if not found:
        raise DatasetError(
            "there is no dataset in `datasets`: make one with `shapegan preprocess INPUT --out"
            " datasets`, or name one with --data"
        )
    listed = ", ".join(str(one) for one in found)
    raise DatasetError(f"there are several datasets, name one with --data: {listed}")
