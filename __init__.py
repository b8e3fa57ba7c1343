"""shapegan: meshes to signed distances, signed distances to generators of implicit shapes.

Map of the package; each module's docstring has the details.

- `shapegan.cli`: the command `shapegan`, also as `python -m shapegan`.
- `shapegan.commands`: its commands; flags become dataclasses and one call.
- `shapegan.pipeline`: meshes -> HDF5 shards of signed distances (numpy and Warp, never torch).
- `shapegan.model`: shards -> generators -> shapes (torch).

The two halves meet in `shapegan.pipeline.schema`. Importing this package imports nothing else.
"""

__version__ = "0.1.0"
