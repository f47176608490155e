"""What keeps a host from working is found before it is started, each with what to do."""

import os
import socket

import pytest

from host_decoder.config import read_config
from host_decoder.service import unit
from host_decoder.service.checkup import check_host
from host_decoder.service.unit import unit_text
from host_decoder.store.database.file import Lock
from host_decoder.store.store import Store
from link.checkup import machine


@pytest.fixture
def good(host, tmp_path):
    """A host folder at which nothing is missing but what a test takes away."""
    far, near = os.openpty()
    host.write_text(host.read_text().replace("/dev/ttyUSB99", os.ttyname(near)))
    change(host, '#clock = "trusted"', 'clock = "trusted"')
    for key in (host.parent / "keys").iterdir():
        key.chmod(0o600)
    yield host
    os.close(far)
    os.close(near)


def change(path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def found(host, **places) -> tuple[list[str], list[str]]:
    """What is wrong, and what is worth knowing."""
    findings = list(check_host(host, **({"systemd": host.parent / "none"} | places)))
    return (
        [one.sentence for one in findings if not one.is_hint],
        [one.sentence for one in findings if one.is_hint],
    )


def test_where_nothing_is_missing_nothing_is_found(good):
    assert found(good) == ([], [])
    Store(good.parent / "host.sqlite").close()
    assert found(good) == ([], [])


def test_without_a_folder_it_is_said_how_one_is_made(tmp_path):
    [sentence], [] = found(tmp_path / "host" / "host.toml")
    assert sentence.endswith(f"latentlink host init {tmp_path / 'host'} --link PROFILE makes it")


def test_settings_are_said_as_the_host_says_them(good):
    change(good, "profile = ", "profil = ")
    [sentence], [] = found(good)
    assert 'key "profil" is unknown' in sentence


def test_a_missing_key_is_named(good):
    for key in (good.parent / "keys").iterdir():
        key.unlink()
    [sentence], [] = found(good)
    assert "key: there is no " in sentence


def test_others_may_not_read_keys(good):
    [key] = (good.parent / "keys").iterdir()
    key.chmod(0o644)
    [], [sentence] = found(good)
    assert sentence.endswith(f"chmod 600 {key}")


def test_a_secret_that_others_may_read_and_a_library_of_outputs_that_is_missing(good, monkeypatch):
    secret = good.parent / "hook"
    secret.write_text("hunter2\n")
    secret.chmod(0o644)
    change(good, "\n[[link]]", '\n[prometheus]\n[webhook]\nurl = "http://host"\n\n[[link]]')
    change(good, 'http://host"', 'http://host"\nsecret_file = "hook"')
    assert found(good)[0] == []
    monkeypatch.setattr(
        machine, "find_spec", lambda name: None if name == "prometheus_client" else name
    )
    [missing], [readable] = found(good)
    assert missing.startswith("prometheus_client is not installed: pip install ")
    assert "fleet" in missing
    assert readable.endswith(f"chmod 600 {secret}")


def test_keys_in_a_checkout_are_worth_a_word(good):
    (good.parent.parent / ".git").mkdir()
    [], [sentence] = found(good)
    assert "where keys end up in git: move it out" in sentence


def test_a_port_that_is_away_is_named(good):
    change(good, 'port = "/dev/pts/', 'port = "/dev/pts/9999')
    [sentence], [] = found(good)
    assert sentence.startswith("there is no port /dev/pts/9999")


def test_a_fleets_broker_and_server_that_are_away_are_named(good):
    good.write_text(
        'store = "postgresql://nobody@127.0.0.1:1/x"\nclock = "trusted"\n'
        '[fleet]\nhost = "127.0.0.1"\nport = 1\ngateways = ["roof"]\nprofile = "udp"\n'
    )
    wrong, _ = found(good)
    assert ["the fleet's broker" in one for one in wrong] == [False, True]


def test_a_radio_without_a_region_only_listens(good):
    change(good, '"serial-9600"', '"rn2483-sf9"')
    change(good, "#frequency_hz", "frequency_hz")
    [], [sentence] = found(good)
    assert "only listens, and every image is sent again and again: no region is set" in sentence


def test_a_clock_that_nobody_set_is_worth_a_word(good, monkeypatch):
    change(good, 'clock = "trusted"', "")
    monkeypatch.setattr("host_decoder.receive.clock.WallClock.is_right", False)
    [], [sentence] = found(good)
    assert "so no node is told the time: let NTP set it" in sentence


def test_a_damaged_store_is_named(good):
    (good.parent / "host.sqlite").write_text("no database at all")
    [sentence], [] = found(good)
    assert "is no store" in sentence


def test_a_host_that_runs_has_its_ports(good):
    Store(good.parent / "host.sqlite").close()
    change(good, 'port = "/dev/pts/', 'port = "/dev/pts/9999')
    lock = Lock(good.parent / "host.sqlite")
    [], [sentence] = found(good)
    lock.close()
    assert sentence == "a host is running, and has store and ports"


def test_a_broker_that_does_not_answer_is_named(good):
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
    bundle = read_config(good).nodes[0].bundle.path
    good.write_text(
        f'clock = "trusted"\n[[link]]\nkind = "chirpstack"\nhost = "127.0.0.1"\nport = {number}\n'
        f'application = "8a4f"\n[[node]]\nnode = 9\ndevice = "70b3d57ed005b89a"\n'
        f'bundle = "{bundle}"\n'
    )
    [sentence], [] = found(good)
    assert sentence.startswith(f"chirpstack's broker at 127.0.0.1:{number} does not answer")


def test_a_service_that_is_missing_or_of_another_host_toml_is_worth_a_word(good, monkeypatch):
    place = good.parent.parent / "installed.service"
    monkeypatch.setattr(unit, "PLACE", place)
    [], [sentence] = found(good, systemd=good.parent)
    assert f"prints what belongs into {place}" in sentence
    place.write_text(unit_text(good, read_config(good)))
    assert found(good, systemd=good.parent) == ([], [])
    place.write_text("[Service]\n")
    [], [sentence] = found(good, systemd=good.parent)
    assert "print it again" in sentence


def test_a_full_disk_is_named(good, monkeypatch):
    monkeypatch.setattr("link.checkup.machine.FEW_FREE_BYTES", 1 << 60)
    monkeypatch.setattr("link.checkup.machine.LEAST_FREE_BYTES", 1 << 60)
    [sentence], [] = found(good)
    assert sentence.endswith(f"are free in {good.parent}; make room")


def test_without_its_libraries_it_says_which_and_asks_no_further(good, monkeypatch):
    monkeypatch.setattr(
        "link.checkup.machine.find_spec", lambda name: None if name == "rich" else 1
    )
    change(good, "profile = ", "profil = ")
    [sentence], [] = found(good)
    assert sentence.startswith("rich is not installed: pip install ")


def test_a_store_that_cannot_be_made_is_named(good, monkeypatch):
    change(good, '"host.sqlite"', '"elsewhere/host.sqlite"')
    [sentence], [] = found(good)
    assert sentence == f"there is no folder {good.parent / 'elsewhere'} for the store: make it"
    (good.parent / "elsewhere").mkdir()
    assert found(good) == ([], [])
    monkeypatch.setattr("os.access", lambda path, mode: "elsewhere" not in str(path))
    [sentence], [] = found(good)
    assert "may not write into" in sentence
