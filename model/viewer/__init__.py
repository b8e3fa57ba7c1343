"""A page in the browser: what a generator makes, and what a dataset holds.

`generated`, `nearest` and `browsing` know what there is to see, and nothing of browsers; `page`
alone imports viser; `generator_page` and `dataset_page` put controls and shapes on it.
"""
