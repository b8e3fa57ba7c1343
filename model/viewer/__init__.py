"""Pages in the browser for the shapes of a generator and the meshes of a dataset.

`generated_shapes`, `training_shapes` and `dataset_browser` provide what is shown, independent of
browsers; only `page` imports viser; `generator_page` and `dataset_page` add controls and shapes to
a page.
"""
