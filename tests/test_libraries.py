"""What a test file needs is found through whatever it imports, and its conftest files."""

import pytest

from tests import libraries
from tests.libraries import ROOT, missing


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        ("tests/device/training/test_sgd.py", {"torch"}),
        ("tests/device/training/test_shard.py", {"torch"}),  # by a world of its
        ("tests/link/wire/test_packet.py", set()),
    ],
)
def test_without_pytorch_those_that_want_it_are_known(monkeypatch, file, wanted):
    monkeypatch.setattr(libraries, "is_here", lambda name: name != "torch")
    assert (ROOT / file).is_file()
    assert missing(ROOT / file) == wanted
