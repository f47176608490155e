"""Extras: what a person types depends on where the programs lie."""

from importlib import metadata

from link.base import extras


def test_in_a_checkout_its_folder_is_named_and_its_own_version_said():
    assert extras.install("host") == f"pip install '{extras.PROJECT}[host]'"
    assert extras.install() == f"pip install '{extras.PROJECT}'"
    assert extras.version().count(".") == 2


def test_installed_the_name_that_pip_knows_is_enough(tmp_path, monkeypatch):
    monkeypatch.setattr(extras, "PROJECT", tmp_path)
    monkeypatch.setattr(metadata, "version", {"latentlink": "1.2.3"}.__getitem__)
    assert extras.install("node,host") == "pip install 'latentlink[node,host]'"
    assert extras.version() == "1.2.3"
