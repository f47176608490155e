"""Carriers and emulated modems in virtual time."""

import pytest

from tests.worlds.virtual import VirtualWorld


@pytest.fixture
def world(monkeypatch):
    return lambda profile, **options: VirtualWorld(monkeypatch, profile, **options)


def packets(received):
    return [each.packet for each in received]
