"""Each gateway keeps its own account of airtime, over restarts and whatever it is called."""

import subprocess
import sys

import pytest

from host_decoder.errors import ConfigError
from host_decoder.gateway_config import GatewayConfig
from host_decoder.receive.gateways import governors_of
from link.base.clock import boot_s
from link.carriers.carrier import CarrierSettings
from link.medium.profiles import get_profile
from link.medium.regions import governor_for


def radio(name):
    settings = CarrierSettings(get_profile("rn2483-sf9"), "/dev/nowhere", frequency_hz=868_300_000)
    return GatewayConfig(name, settings, "eu868")


def spend(governor, airtime_s, frame_s=0.3):
    """Until so much is spent; the time now."""
    now_s = boot_s()
    for _ in range(round(airtime_s / frame_s)):
        now_s = governor.occupy(frame_s, governor.start_s(frame_s, now_s))
    return now_s


def left_s(governor) -> float:
    """What may be used now."""
    budget_s = governor.budget_s(boot_s())
    assert budget_s is not None
    return budget_s


@pytest.mark.parametrize(
    "names", [("крыша", "подвал"), ("a/b", "a-b"), ("x" * 300, "x" * 299), ("Roof", "roof")]
)
def test_each_gateway_keeps_its_own_account_of_airtime_whatever_it_is_called(tmp_path, names):
    first, second = governors_of([radio(name) for name in names], tmp_path)
    second.occupy(0.3, spend(first, 8.4))
    again, _ = governors_of([radio(name) for name in names], tmp_path)
    assert left_s(again) <= left_s(first)
    assert len(list(tmp_path.glob("airtime-*.json"))) == 2


def test_two_gateways_of_one_name_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="two gateways are called roof"):
        governors_of([radio("roof"), radio("roof")], tmp_path)


def test_airtime_in_a_file_of_the_earlier_name_is_not_forgotten(tmp_path):
    spend(
        governor_for("eu868", 868_300_000, get_profile("rn2483-sf9"), tmp_path / "airtime--.json"),
        8.4,
    )
    for governor in governors_of([radio("крыша"), radio("подвал")], tmp_path):
        assert left_s(governor) <= 0.6
    assert not (tmp_path / "airtime--.json").exists()


def test_a_second_host_does_not_count_in_the_same_file(tmp_path):
    governors = governors_of([radio("roof")], tmp_path)
    program = (
        "import sys; from pathlib import Path; from tests.host_decoder.receive.test_gateways "
        "import governors_of, radio\n"
        "try:\n    governors_of([radio('roof')], Path(sys.argv[1]))\nexcept Exception as "
        "error: print(error)"
    )
    other = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True
    )
    assert "another host counts the airtime of a gateway roof" in other.stdout, other.stderr
    del governors
