"""The unit is one that systemd takes, allows what a host does, and little else."""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from host_decoder import commands
from host_decoder.config import read_config
from host_decoder.errors import HostError
from host_decoder.service.unit import NAME, unit_text
from tests.programs import program
from tests.worlds import sandbox

ROOT = Path(__file__).parents[3]
MOST_EXPOSED = 3.0
PATIENCE_S = 60.0


@pytest.fixture
def unit(tmp_path, host) -> Path:
    path = tmp_path / NAME
    path.write_text(unit_text(host, read_config(host)))
    return path


def analyzed(*words: str | Path) -> str:
    done = subprocess.run(
        [program("systemd-analyze"), *words], capture_output=True, text=True, check=True
    )
    return done.stdout + done.stderr


def test_systemd_finds_no_fault_in_it(unit):
    assert analyzed("verify", "--man=no", unit) == ""


def test_it_is_hardened(unit):
    text = analyzed("security", "--offline=true", "--no-pager", unit)
    [score] = re.findall(r"Overall exposure level for \S+: ([\d.]+)", text)
    assert float(score) <= MOST_EXPOSED


def test_it_comes_back_and_is_watched(unit):
    text = unit.read_text()
    for line in ("Restart=always", "StartLimitIntervalSec=0", "Type=notify"):
        assert f"\n{line}\n" in text
    assert re.search(r"\nWatchdogSec=\d+\n", text)


def test_it_names_folder_and_account_whatever_they_are_called(unit, host):
    said = dict(sandbox.settings(unit))
    assert said["ReadWritePaths"] == f'"{host.parent}"'
    assert said["WorkingDirectory"] == str(host.parent)
    assert said["ExecStart"] == f'{sys.executable} -P -m latentlink host "{host.parent}"'
    assert said["User"] == host.owner()
    assert said["PrivateTmp"] == "no", "the test's folder would be hidden"


@pytest.mark.parametrize(("sign", "escaped"), [("%h", "%%h"), ("a$b", "a$$b"), ('a"b', 'a\\"b')])
def test_signs_of_systemd_in_a_path_mean_themselves(host, sign, escaped):
    moved = host.parent.rename(host.parent.with_name(f"x {sign}"))
    text = unit_text(moved / "host.toml", read_config(moved / "host.toml"))
    assert f'host "{moved.parent}/x {escaped}"\n' in text


def test_a_path_that_is_no_line_is_refused(host):
    moved = host.parent.rename(host.parent.with_name("two\nlines"))
    with pytest.raises(HostError, match="cannot stand in a unit"):
        unit_text(moved / "host.toml", read_config(moved / "host.toml"))


def test_programs_that_pip_installed_need_no_search(host, monkeypatch):
    assert "PYTHONPATH=" in unit_text(host, read_config(host))
    [place] = [path for path in sys.path if path.endswith("site-packages")][:1]
    monkeypatch.setattr("host_decoder.service.unit.PROGRAMS", Path(place))
    assert "PYTHONPATH=" not in unit_text(host, read_config(host))


def test_only_a_host_with_a_gateway_over_ip_may_use_the_network(host):
    def text() -> str:
        return unit_text(host, read_config(host))

    assert "\nIPAddressDeny=any\n" in text()
    said = host.read_text().replace('"/dev/ttyUSB99"', '"0.0.0.0:4300"')
    host.write_text(said.replace('"serial-9600"', '"udp"'))
    assert "IPAddressDeny" not in text()
    assert "AF_INET AF_INET6" in text()
    assert "After=network-online.target" in text()


def test_the_command_prints_it(host, unit, capsys):
    assert commands.main(["unit", str(host.parent)]) == 0
    assert capsys.readouterr().out == unit.read_text()


def test_a_host_lives_in_what_it_leaves(unit, tmp_path):
    """Its own command, under its own filter of system calls, with the manager's socket."""
    sandbox.skip_unless_possible()
    assert "adjtimex" in sandbox.allowed(unit), "else any clock would count as right"
    assert not {"mount", "ptrace", "reboot", "clock_settime"} & sandbox.allowed(unit)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE_S)
        command = [sys.executable, "-m", "tests.worlds.sandbox", str(unit)]
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE) as host:
            said: set[bytes] = set()
            try:
                while not {b"READY=1", b"WATCHDOG=1"} <= said:
                    said.add(manager.recv(999))
                host.send_signal(signal.SIGTERM)
                while b"STOPPING=1" not in said:
                    said.add(manager.recv(999))
                assert host.wait(PATIENCE_S) == 0
            finally:
                host.kill()
            assert host.stderr
            assert b"/dev/ttyUSB99" in host.stderr.read()
    assert any(b"STATUS=" in one and b"/dev/ttyUSB99" in one for one in said)
