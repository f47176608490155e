"""What reading photos says."""

import pytest


@pytest.fixture
def said():
    return []
