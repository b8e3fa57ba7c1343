"""Fields that several modules query."""

import pytest
from support import shapes
from support.signed_fields import field_of


@pytest.fixture(scope="session")
def box():
    return field_of(shapes.box((1.6, 1.2, 0.8), subdivisions=1))
