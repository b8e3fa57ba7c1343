"""The commands, one module each: flags become dataclasses and one call.

They import the pipeline and the model inside their functions, so that `--help` is instant.
"""
