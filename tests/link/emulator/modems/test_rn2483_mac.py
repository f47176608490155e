"""An emulated RN2483 in its other role: joins, uplinks, what the network answers, and when."""

import pytest

from link.emulator.modems.rn2483_mac import HARDWARE_EUI, Downlink, Rn2483Mac
from link.medium.profiles import get_profile
from tests.worlds.lorawan_network import APP_KEY, EmulatedNetwork, ModuleLine


class Module:
    """Lines to the module, and what it has said by a time."""

    def __init__(self, channel_off: float = 0.0) -> None:
        self.network = EmulatedNetwork()
        self.modem = Rn2483Mac(get_profile("rn2483-sf7"), self.network, channel_off=channel_off)
        self.line = ModuleLine(self.modem)
        self.now_s = 1.0

    def say(self, text: str, within_s: float = 0.2) -> list[str]:
        self.line.push("a", f"{text}\r\n".encode(), self.now_s)
        self.now_s += within_s
        return self.line.pop("a", self.now_s).decode().split("\r\n")[:-1]


def with_keys(**options) -> Module:
    module = Module(**options)
    for line in (f"deveui {HARDWARE_EUI}", f"appkey {APP_KEY}", "dr 5"):
        assert module.say(f"mac set {line}") == ["ok"]
    return module


@pytest.fixture
def joined():
    module = with_keys()
    assert module.say("mac join otaa", within_s=10.0) == ["ok", "accepted"]
    return module


def test_nothing_is_sent_before_the_module_has_joined():
    module = Module()
    assert module.say("mac tx cnf 1 AA") == ["not_joined"]
    assert module.say("mac join otaa") == ["keys_not_init"]
    assert module.say("mac get devaddr") == ["00000000"]


def test_a_join_is_accepted_five_seconds_after_its_request(joined):
    assert joined.network.n_joined == 1
    assert joined.say("mac get devaddr") == ["260B0001"]


def test_a_network_that_does_not_know_the_device_denies_it():
    module = with_keys()
    module.say("mac set appkey " + "0" * 32)
    assert module.say("mac join otaa", within_s=10.0) == ["ok", "denied"]


def test_a_confirmed_uplink_is_acknowledged_in_the_window_behind_it(joined):
    assert joined.say("mac tx cnf 5 C0FFEE", within_s=0.5) == ["ok"]
    assert joined.say("sys get hweui", within_s=3.0) == [HARDWARE_EUI, "mac_tx_ok"]
    [uplink] = joined.network.delivered
    assert (uplink.port, uplink.body, uplink.is_confirmed) == (5, bytes.fromhex("C0FFEE"), True)


def test_frame_counters_count_from_the_join_on(joined):
    for _ in range(3):
        assert joined.say("mac tx uncnf 1 AA", within_s=10.0) == ["ok", "mac_tx_ok"]
    assert [uplink.frame_counter for uplink in joined.network.delivered] == [0, 1, 2]


def test_what_the_network_has_to_say_comes_in_place_of_the_acknowledgement(joined):
    joined.network.queue.append(Downlink(7, b"\xbe\xef"))
    assert joined.say("mac tx cnf 1 AA", within_s=10.0) == ["ok", "mac_rx 7 BEEF"]


def test_a_confirmed_uplink_that_nobody_hears_ends_in_an_error(joined):
    joined.network.uplink_loss = 1.0
    assert joined.say("mac tx cnf 1 AA", within_s=10.0) == ["ok", "mac_err"]
    assert joined.say("mac tx uncnf 1 AA", within_s=10.0) == ["ok", "mac_tx_ok"]


def test_a_second_uplink_waits_for_the_windows_of_the_first(joined):
    joined.say("mac tx cnf 1 AA", within_s=0.2)
    assert joined.say("mac tx cnf 1 BB")[0] == "busy"


def test_used_channels_are_closed_until_their_duty_cycle_allows_them_again():
    module = with_keys(channel_off=300)
    assert module.say("mac join otaa", within_s=10.0) == ["ok", "accepted"]
    for _ in range(2):
        assert module.say("mac tx uncnf 1 AA", within_s=3.0) == ["ok", "mac_tx_ok"]
    assert module.say("mac tx uncnf 1 AA") == ["no_free_ch"]
    module.now_s += 60.0
    assert module.say("mac tx uncnf 1 AA", within_s=3.0) == ["ok", "mac_tx_ok"]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("mac tx cnf 0 AA", "invalid_param"),
        ("mac tx cnf 224 AA", "invalid_param"),
        ("mac tx maybe 1 AA", "invalid_param"),
        ("mac tx cnf 1 XY", "invalid_param"),
        ("mac set dr 6", "invalid_param"),
        ("mac set appkey 00", "invalid_param"),
        ("mac set adr perhaps", "invalid_param"),
        ("mac get appkey", "invalid_param"),
    ],
)
def test_what_the_guide_does_not_allow_is_refused(joined, line, answer):
    assert joined.say(line) == [answer]


def test_what_does_not_fit_the_data_rate_is_refused_and_fits_a_faster_one(joined):
    body = "AA" * 100
    assert joined.say("mac set dr 0") == ["ok"]
    assert joined.say(f"mac tx cnf 1 {body}") == ["invalid_data_len"]
    assert joined.say("mac set dr 5") == ["ok"]
    assert joined.say(f"mac tx cnf 1 {body}", within_s=10.0) == ["ok", "mac_tx_ok"]
