"""shapegan: meshes to signed distance shards, shards to GANs over implicit shapes.

The map of the package; each module's own docstring says the rest.

- `shapegan.cli`: the command `shapegan`, also as `python -m shapegan`.
- `shapegan.commands`: its commands; flags become dataclasses and one call each.
- `shapegan.pipeline`: meshes -> HDF5 shards of signed distances (numpy and Warp, never torch).
- `shapegan.model`: shards -> generators -> shapes (torch).

The two halves meet in `shapegan.pipeline.schema`. Importing this package imports nothing else.
"""

__version__ = "0.1.0"
