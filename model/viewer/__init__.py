"""Pages in the browser for the shapes of a generator and the meshes of a dataset.

`generated_shapes`, `training_shapes` and `dataset_browser` provide shapes and meshes, independent
of browsers; `live_page` redraws a page when its controls change, in the thread of `latest_only`;
`generator_page` and `dataset_page` add shapes and controls. Parts of the former are
`shape_controls`, `shape_panel` (thumbnails and a map, drawn by `clickable`) and `film_recorder`.
Only `page` imports viser.
"""
