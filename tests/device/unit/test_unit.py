import re
import subprocess

import pytest

from tests.device.flash.conftest import ROOT
from tests.programs import program

UNITS = ROOT / "device/unit"
MOST_EXPOSED = 3.0


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
