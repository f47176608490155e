"""A usage line repeats what a person typed."""

import sys

from link.output.program import typed_as


def test_the_command_that_handed_over_is_named(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["latentlink host", "--help"])
    assert typed_as("python -m host_decoder listen") == "latentlink host"


def test_without_it_the_module_is_named(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/lib/latentlink/host.py"])
    assert typed_as("python -m host_decoder listen") == "python -m host_decoder listen"
