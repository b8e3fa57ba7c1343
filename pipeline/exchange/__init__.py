"""Files of other projects: datasets written as theirs, and theirs read as datasets.

`export` and `importing` go through a dataset shape by shape; there is a module for each format.
"""
