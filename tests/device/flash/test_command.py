"""`python -m device.flash card` as `make flash` calls it: what it prints, how it ends, whose its
files are.
"""

import os
from io import StringIO

import pytest

from device.flash.__main__ import main
from tests.device.flash.conftest import TRIXIE

pytestmark = pytest.mark.usefixtures("release")


@pytest.fixture
def card(boot_folder, node_toml, tmp_path, monkeypatch):
    """Runs the command on a boot folder; the host folder is the default one, in a home of the
    test's own.
    """
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SUDO_UID", raising=False)
    monkeypatch.chdir(tmp_path)
    folder = boot_folder(TRIXIE)

    def run(*options: str) -> int:
        return main(["card", str(folder), "--settings", str(node_toml), *options])

    return run


def test_a_plan_ends_well_and_with_the_card_that_is_meant(card, capsys, tmp_path):
    for options in ([], ["--confirm", "yes", "--dry-run"], ["--confirm", "no"]):
        assert card(*options) == 0
        said = capsys.readouterr().out.splitlines()
        assert said[0] == said[-1] == f"target    {tmp_path / 'bootfs'}: a mounted boot partition"
        assert "nothing was written" in said[-2]
    assert not (tmp_path / "bootfs/latentlink").exists()
    assert not (tmp_path / "home").exists()


def test_the_host_folder_lies_in_ones_home_and_not_in_the_checkout(card, capsys, tmp_path):
    (tmp_path / "host.toml").write_text('[link]\nport = "/dev/ttyUSB0"\n')
    assert card("--confirm", "yes") == 0
    said = capsys.readouterr().out
    home = tmp_path / "home/latentlink"
    assert sorted(path.name for path in home.iterdir()) == ["host.toml", "keys", "nodes"]
    assert home.stat().st_mode & 0o777 == 0o700
    assert f"the host folder is {home}; host.toml here is used with HOST_DIR=. only" in said
    assert "see that its port, /dev/ttyUSB0, is the one of the host's modem" in said
    assert f"python -m host_decoder listen {home}" in said
    assert card("--confirm", "yes", "--host-dir", str(tmp_path)) == 0
    assert (tmp_path / "nodes/1.toml").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_under_sudo_everything_belongs_to_who_called_it(card, tmp_path, monkeypatch):
    monkeypatch.setenv("SUDO_UID", "1001")
    monkeypatch.setenv("SUDO_GID", "1001")
    assert card("--confirm", "yes", "--host-dir", "site/mine", "--work", "work/flash") == 0
    made = [
        path
        for name in ("site", "work")
        for path in (tmp_path / name, *(tmp_path / name).rglob("*"))
    ]
    assert {path.stat().st_uid for path in made} == {1001}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--bundle", "nowhere"], "there is no bundle at nowhere"),
        (["--node", "300"], "node is 300, a node has a number from 1 to 254"),
        (["--ssh-key", "node.toml"], "is no single public key"),
        (["--ssh-key", "absent.pub"], "absent.pub"),
        (["--ssh-key", "/dev/zero"], "/dev/zero is no file"),
        (["--ssh-key", "/bin/true"], "/bin/true holds NUL bytes"),
        (["--settings", "."], "flash: . is a folder; give the path of a file"),
        (
            ["--host-port", "COM3"],
            "the host's port is 'COM3'; give the whole path of the serial port",
        ),
        (["--host-port", "/dev/tty\nUSB0"], "the host's port is '/dev/tty\\nUSB0'"),
        (["--settings", "absent.toml"], "there is no absent.toml"),
    ],
)
def test_what_cannot_be_is_one_sentence(card, capsys, options, reason):
    assert card("--confirm", "yes", *options) == 1
    said = capsys.readouterr()
    assert reason in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    "options", [["--confirm", "1"], ["--replace", "true"], ["--dry-run", "maybe"]]
)
def test_a_word_that_is_neither_yes_nor_no_is_refused(card, capsys, options):
    with pytest.raises(SystemExit):
        card(*options)
    assert "choose from 'yes', 'no'" in capsys.readouterr().err


def test_a_team_is_made_card_by_card_while_somebody_is_there_to_change_them(
    boot_folder, team_toml, tmp_path, monkeypatch, capsys
):
    words = ["card", str(boot_folder(TRIXIE)), "--settings", str(team_toml), "--fog", "3"]
    words += ["--host-dir", str(tmp_path), "--work", str(tmp_path), "--confirm", "yes"]
    monkeypatch.setattr("sys.stdin", StringIO())
    assert main(words) == 1
    said = capsys.readouterr()
    assert "Put the card of member 1 of node 40 into" in said.out
    assert "nobody is there to change the cards; the same command goes on" in said.err
    monkeypatch.setattr("sys.stdin", StringIO("\n" * 9))
    # the same card again and again: it is asked for until nobody answers
    assert main(words) == 1
    assert "is the card of member 0, which is made; put in that of member 1" in (
        capsys.readouterr().out
    )


def test_members_that_are_no_numbers_are_refused(capsys):
    with pytest.raises(SystemExit):
        main(["card", "x", "--settings", "node.toml", "--modems", "all"])
    assert "'all' is no list of members, such as 0,1" in capsys.readouterr().err


def test_options_for_ssh_that_are_no_words_are_refused(capsys):
    with pytest.raises(SystemExit):
        main(["deploy", "node-1", "--ssh-options", "-i 'my key"])
    assert "No closing quotation" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["card", ""], ["deploy", ""], ["deploy", "--", "-oProxyCommand=x"]]
)
def test_a_card_or_a_node_must_be_named(capsys, words):
    with pytest.raises(SystemExit):
        main([*words, *(["--settings", "node.toml"] if words[0] == "card" else [])])
    assert "name the" in capsys.readouterr().err
