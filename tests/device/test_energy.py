"""The estimate is arithmetic on stated currents: each term is checked by hand, and what dominates
is what should.
"""

import json
import subprocess
import sys

import pytest

from device.config import load_config
from device.energy import COMPUTERS, estimate
from link.medium.airtime import LoRaConfig

ZERO = COMPUTERS["zero2w"]


def of(home, profile, computer=ZERO, interval_s=60.0, share=1.0, link="", source=""):
    return estimate(
        load_config(home.config(profile=profile, link=link, source=source)),
        computer,
        interval_s,
        share,
    )


def test_the_radios_share_is_airtime_times_current_times_voltage(home):
    found = of(home, "rn2483-sf9")
    airtime_s = LoRaConfig(spreading_factor=9).airtime_s(found.packet_bytes)
    assert found.airtime_ms == pytest.approx(1000 * airtime_s)
    assert found.transmit_j == pytest.approx(airtime_s * 0.0389 * 3.3)
    assert found.listen_j == pytest.approx(found.listen_ms / 1000 * 0.0142 * 3.3)
    assert (found.power_dbm, found.wait_j) == (14, pytest.approx(60 * (0.6 + 0.0028 * 3.3)))


def test_the_power_is_the_nearest_for_which_a_current_is_known(home):
    assert of(home, "lora-sf7", link="power_dbm = 20").power_dbm == 20
    assert of(home, "lora-sf7", link="power_dbm = 16").power_dbm == 17


def test_a_cable_and_a_node_that_is_not_answered_save_what_they_do_not_do(home):
    cable, unanswered = of(home, "serial-9600"), of(home, "lora-sf7", link="downlink = false")
    assert cable.transmit_j == cable.listen_j == unanswered.listen_j == 0
    assert unanswered.transmit_j > 0


def test_the_gate_saves_the_radio_of_what_is_not_sent(home):
    whole, gated = of(home, "lora-sf12"), of(home, "lora-sf12", share=0.1)
    saved_j = whole.total_j - gated.total_j - (whole.compute_j - gated.compute_j)
    assert saved_j == pytest.approx(0.9 * (whole.transmit_j + whole.listen_j))


def test_waiting_is_what_costs(home):
    found = of(home, "lora-sf10")
    assert found.wait_j > 10 * (found.transmit_j + found.listen_j + found.compute_j)
    assert of(home, "lora-sf10", COMPUTERS["zero2w-trimmed"]).mean_w < 0.7 * found.mean_w


def test_the_command_says_that_it_estimates(home):
    words = [sys.executable, "-m", "device.energy", home.config(profile="rn2483-sf7")]
    text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert text.startswith("ESTIMATE, nothing was measured with a meter")
    assert "Microchip DS50002346" in text
    said = json.loads(
        subprocess.run([*words, "--json"], capture_output=True, text=True, check=True).stdout
    )
    assert said["estimate"] is True
    assert said["compute_ms"] > 0
