"""The commands, a module each: flags become dataclasses and one call.

They import what they need inside, so that `--help` is instant.
"""
