"""Where one host keeps everything, and the file of each node in it."""

import os
import pwd
import tomllib
from pathlib import Path

import pytest

from link.settings.host_folder import (
    all_nodes,
    default_folder,
    host_toml,
    new_text,
    read_node_files,
)


def node_file(folder: Path, name: str, text: str) -> None:
    (folder / "nodes").mkdir(exist_ok=True)
    (folder / "nodes" / name).write_text(text)


def test_a_folder_stands_for_its_host_toml(tmp_path):
    assert host_toml(tmp_path) == tmp_path / "host.toml"
    assert host_toml(tmp_path / "other.toml") == tmp_path / "other.toml"
    assert host_toml(tmp_path / "new") == tmp_path / "new/host.toml"
    (tmp_path / "plain").touch()
    assert host_toml(tmp_path / "plain") == tmp_path / "plain"


def test_a_node_in_both_is_what_its_own_file_says(tmp_path):
    node_file(tmp_path, "3.toml", "node = 3\nkey = 'new'\n")
    node_file(tmp_path, ".3.toml.swp", "an editor's")
    node_file(tmp_path, ".hidden.toml", "an editor's")
    host = tmp_path / "host.toml"
    tables, notices = all_nodes(
        host, [{"node": 3, "key": "old"}, {"node": 4}, {"node": [3]}, "no table"], ValueError
    )
    assert [table for _, table in tables] == [
        {"node": 4},
        {"node": [3]},
        "no table",
        {"node": 3, "key": "new"},
    ]
    assert tables[-1][0] == str(tmp_path / "nodes/3.toml")
    [notice] = notices
    assert (
        f"node 3 stands in {host} and in {tmp_path / 'nodes/3.toml'}: the latter counts" in notice
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [("3.toml", "node = 4"), ("roof.toml", "node = 4"), ("3.toml", "node = true"), ("3.toml", "")],
)
def test_a_file_is_named_by_its_node(tmp_path, name, text):
    node_file(tmp_path, name, text)
    with pytest.raises(ValueError, match=r"a node's file is named by its number, so write node ="):
        read_node_files(tmp_path / "host.toml", ValueError)


def test_a_file_that_is_no_toml_is_named(tmp_path):
    node_file(tmp_path, "3.toml", "[[node")
    with pytest.raises(ValueError, match=r"nodes/3\.toml is not valid TOML"):
        read_node_files(tmp_path / "host.toml", ValueError)


def test_under_sudo_it_is_the_callers_folder(monkeypatch):
    monkeypatch.delenv("SUDO_UID", raising=False)
    assert default_folder() == Path.home() / "latentlink"
    somebody = pwd.getpwall()[-1]
    monkeypatch.setenv("SUDO_UID", str(somebody.pw_uid))
    monkeypatch.setenv("SUDO_GID", str(somebody.pw_gid))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_folder() == Path(pwd.getpwuid(somebody.pw_uid).pw_dir) / "latentlink"
    monkeypatch.setenv("SUDO_UID", "4294967000")
    assert default_folder() == Path.home() / "latentlink"


def test_a_new_host_toml_has_its_link_and_everything_else_as_a_comment():
    link = {"port": 'a "b"', "profile": "serial-9600", "bitrate_bps": 57600}
    text = new_text(Path("/x"), link)
    assert tomllib.loads(text) == {"store": "host.sqlite", "link": [link]}
    assert "\nbitrate_bps = 57600               # of the port\n" in text
    assert "\n#region = " in text
