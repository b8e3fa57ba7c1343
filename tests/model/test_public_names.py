"""The public names of `shapegan.model` exist, and importing the package is cheap."""

import subprocess
import sys

import pytest

import shapegan.model


def test_importing_the_package_imports_no_torch():
    code = "import sys, shapegan.model; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", shapegan.model.__all__)
def test_each_public_name_is_an_object_with_a_docstring(name):
    assert getattr(shapegan.model, name).__doc__


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = shapegan.model.nothing
