import re
import socket
import subprocess

import pytest

from device.unit.notify import Notifier
from tests.device.flash.conftest import ROOT
from tests.programs import program

UNITS = ROOT / "device/unit"
MOST_EXPOSED = 3.0


def test_systemd_hears_what_the_node_says(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        notifier.ready()
        notifier.worked()
        notifier.status("two\nlines")
        notifier.stopping()
        assert [manager.recv(99) for _ in range(4)] == [
            b"READY=1",
            b"WATCHDOG=1",
            b"STATUS=two lines",
            b"STOPPING=1",
        ]


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "/nowhere/notify"}])
def test_a_node_works_where_nobody_listens(environment):
    Notifier(environment).worked()


def test_the_service_is_hardened():
    words = ["security", "--offline=true", "--no-pager", str(UNITS / "latentlink.service")]
    text = subprocess.run(
        [program("systemd-analyze"), *words], capture_output=True, text=True
    ).stdout
    [score] = re.findall(r"Overall exposure level for \S+: ([\d.]+)", text)
    assert float(score) <= MOST_EXPOSED


def test_the_service_comes_back_whatever_happens():
    text = (UNITS / "latentlink.service").read_text()
    for line in (
        "Restart=always",
        "StartLimitIntervalSec=0",
        "Type=notify",
        "SupplementaryGroups=video dialout",
    ):
        assert f"\n{line}\n" in text
    assert re.search(r"\nWatchdogSec=\d+\n", text)


@pytest.mark.parametrize("script", sorted(UNITS.glob("*.sh")), ids=lambda path: path.name)
def test_a_script_is_one_that_a_plain_shell_reads(script):
    subprocess.run([program("sh"), "-n", script], check=True)
