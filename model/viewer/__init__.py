"""Pages in the browser for the shapes of a generator and the meshes of a dataset.

`generated_shapes`, `training_shapes` and `dataset_browser` provide shapes and meshes, independent
of browsers; `live_page` redraws a page when its controls change, in the thread of `latest_only`;
`generator_page` and `dataset_page` add shapes and controls, of which `shape_controls`, `shape_panel`
(thumbnails and map, drawn by `clickable`) and `film_recorder` are parts. Only `page` imports viser.
"""
