"""A page before a store that a real host filled: once, and copied for each test."""

import shutil

import pytest

from host_decoder.store.store import Store
from tests.worlds.small_fleet import SITE, SmallFleet, fill


@pytest.fixture(scope="session")
def filled_once(tmp_path_factory, bundle):
    path = tmp_path_factory.mktemp("filled") / "host.sqlite"
    with Store(path, site=SITE) as store:
        fill(store, bundle)
    return path


@pytest.fixture
def filled(filled_once, tmp_path):
    path = shutil.copy(filled_once, tmp_path / "host.sqlite")
    with Store(path, site=SITE) as store:
        yield store


@pytest.fixture
def fleet(filled, bundle, tmp_path):
    fleet = SmallFleet(filled, bundle, tmp_path)
    yield fleet
    fleet.reading.close()
