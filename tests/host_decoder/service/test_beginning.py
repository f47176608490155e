"""A new host folder is for its owner alone, explains every key, and is ready for nodes."""

import os
import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from host_decoder import commands
from host_decoder.alerts.rule import Rule
from host_decoder.config import HOST, NODE, read_config
from host_decoder.decode.verdict import VerdictConfig
from host_decoder.errors import ConfigError, HostError
from host_decoder.fleet.config import FleetConfig
from host_decoder.gateway_config import LINK, NETWORK, read_gateways
from host_decoder.outputs.sections import (
    EmailConfig,
    MqttConfig,
    PrometheusConfig,
    WebhookConfig,
)
from host_decoder.service.beginning import DEFAULT_PORT, begin
from link.carriers.carrier import CarrierSettings
from link.settings import setting
from link.settings.host_folder import TEMPLATE
from tests.programs import program

ROOT = Path(__file__).parents[3]
RADIO = {
    "port": "/dev/ttyUSB1",
    "profile": "rn2483-sf9",
    "region": "eu868",
    "frequency_hz": 869_525_000,
}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_for_its_owner_alone_and_says_what_was_asked_for(tmp_path):
    folder = tmp_path / "new" / "host"
    assert begin(folder, RADIO) == []
    assert [mode(folder / name) for name in ("", "keys", "nodes", "host.toml")] == [
        *(0o700, 0o700, 0o700, 0o600)
    ]
    toml = tomllib.loads((folder / "host.toml").read_text())
    assert toml == {"store": "host.sqlite", "link": [RADIO]}
    [gateway] = read_gateways(folder / "host.toml", toml["link"], {})
    assert isinstance(gateway.settings, CarrierSettings)
    assert gateway.settings.frequency_hz == 869_525_000


KINDS = {
    "fleet": FleetConfig,
    "mqtt": MqttConfig,
    "prometheus": PrometheusConfig,
    "webhook": WebhookConfig,
    "email": EmailConfig,
}


def test_every_key_stands_in_it_and_all_of_them_can_be_said():
    text = re.sub(r"^#(?! )", "", TEMPLATE.read_text(), flags=re.MULTILINE)
    toml = tomllib.loads("\n".join(line for line in text.splitlines() if line[:1] != "#"))
    radio, network = toml["link"]
    assert toml.keys() == HOST.keys()
    assert radio.keys() == LINK.keys()
    assert network.keys() == NETWORK.keys()
    assert toml["verdict"].keys() == set(VerdictConfig.__dataclass_fields__)
    [node] = toml["node"]
    assert node.keys() == NODE.keys()
    [alert] = toml["alert"]
    assert alert.keys() == setting.settings_of(Rule).keys()
    for name, kind in KINDS.items():
        assert toml[name].keys() == setting.settings_of(kind).keys()


@pytest.mark.parametrize(
    ("link", "sentences"),
    [
        (
            {"profile": "rn2483-sf9"},
            [
                f"see that {DEFAULT_PORT} is the port",
                "the host only listens until",
                "has no frequency_hz",
            ],
        ),
        ({"profile": "serial-9600"}, [f"see that {DEFAULT_PORT} is the port"]),
        ({"profile": "serial-9600", "port": "/dev/ttyAMA0"}, []),
    ],
)
def test_what_is_left_to_see_to_is_said(tmp_path, link, sentences):
    notices = begin(tmp_path / "host", link, by_id=tmp_path)
    assert len(notices) == len(sentences)
    assert all(said in notice for said, notice in zip(sentences, notices, strict=True))


def test_the_only_adapter_that_is_plugged_in_is_taken(tmp_path):
    (tmp_path / "ids").mkdir()
    (tmp_path / "ids" / "usb-modem").touch()
    [notice] = begin(tmp_path / "host", {"profile": "serial-9600"}, by_id=tmp_path / "ids")
    assert "ids/usb-modem is the port" in notice


def test_what_is_there_stays(tmp_path):
    (tmp_path / "host.toml").write_text("mine")
    with pytest.raises(HostError, match="is there already, and nothing was changed"):
        begin(tmp_path, RADIO)
    assert (tmp_path / "host.toml").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_keys_do_not_lie_in_a_checkout(tmp_path):
    subprocess.run([program("git"), "init", "-q", str(tmp_path)], check=True)
    with pytest.raises(HostError, match="lies in the checkout"):
        begin(tmp_path / "a" / "host", RADIO)
    assert not (tmp_path / "a").exists()


def test_a_line_that_cannot_be_is_refused_before_anything_is_made(tmp_path):
    with pytest.raises(ConfigError, match='there is no link profile "serial-960"'):
        begin(tmp_path / "host", {"profile": "serial-960", "port": "/dev/ttyUSB0"})
    assert not (tmp_path / "host").exists()


def test_the_command_makes_it(tmp_path, capsys):
    words = ["init", str(tmp_path / "host"), "--link", "serial-9600", "--port", "/dev/ttyUSB0"]
    assert commands.main(words) == 0
    assert "is ready for nodes" in capsys.readouterr().err
    assert commands.main(words) == 1
    assert commands.main(["unit", str(tmp_path / "host")]) == 0
    [warning] = read_config(tmp_path / "host").warnings
    assert "names no node yet; one that is flashed is heard at once" in warning


def test_nothing_is_left_in_the_home_folder_but_that_one(tmp_path):
    """What there is to take away again when everything goes."""
    home = tmp_path / "home"
    home.mkdir()
    environment = os.environ | {"HOME": str(home)}
    init, waits = ["host", "init", "--link", "serial-9600"], ["host", "--idle-timeout", "0.1"]
    for words in (init, ["doctor"], waits, ["--help"]):
        command = [sys.executable, "-m", "latentlink", *words]
        subprocess.run(command, cwd=ROOT, env=environment, capture_output=True)
    assert [path.name for path in home.iterdir()] == ["latentlink"]
    assert {path.name for path in (home / "latentlink").rglob("*")} == {
        *("host.toml", "keys", "nodes", "host.sqlite", "host.sqlite.lock")
    }
