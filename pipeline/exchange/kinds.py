"""Names of the formats; a module without imports, for `--help`."""

EXPORTS = ("deepsdf", "occnet", "shapegan", "npz", "npy", "webdataset")
"""Formats of `shapegan export`."""
IMPORTS = ("deepsdf", "occnet", "shapegan")
"""Formats of `shapegan import`."""
