"""What is said at a real mosquitto, in whatever order host, broker and Home Assistant start."""

import subprocess
import time
from dataclasses import replace

import pytest

from host_decoder.alerts.observed import Observation
from host_decoder.alerts.rule import read_rule
from host_decoder.alerts.watch import FILE, Watch
from host_decoder.outputs import discovery, mqtt
from host_decoder.outputs.mqtt import MqttOutput
from host_decoder.outputs.sections import MqttConfig
from link.carriers.mqtt import Will
from tests.programs import program
from tests.worlds.broker import broker, free_port, make_certificate
from tests.worlds.heard import heard, told
from tests.worlds.home_assistant import HomeAssistant
from tests.worlds.small_host import NODE, answer

CONFIG = "homeassistant/device/ll_farm_7/config"
STATUS = "latentlink/1/host/latentlink-farm/status"
STATE, AVAILABILITY, RESULT, ALERT = (
    f"latentlink/1/farm/{NODE}/{what}" for what in ("state", "availability", "result", "alert")
)
PIXELS = {"thumbnail": {"pixels": "AAECAw==", "shape": [2, 2, 1]}}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(mqtt, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(mqtt, "LONGEST_PAUSE_S", 0.2)


class World:
    """A host's MQTT output, and what it knows."""

    def __init__(self, folder, nodes, port, **config) -> None:
        self.said: list[str] = []
        self.observation = Observation(nodes, 0.0)
        rules = [read_rule({"kind": "fault"})]
        self.watch = Watch(rules, self.observation, folder / FILE)
        self.output = MqttOutput(
            MqttConfig(host="localhost", port=port, **config),
            "farm",
            self.observation,
            self.watch,
            folder,
            lambda sentence, _: self.said.append(sentence),
        )
        self.output.start()

    def hear(self, *events) -> None:
        for event in events:
            observed = self.observation.hear(event)
            assert observed is not None
            self.output.take(event, observed)
        self.output.flush()

    def wait_until_said(self, words: str) -> None:
        end_s = time.monotonic() + 30
        while not any(words in sentence for sentence in self.said):
            assert time.monotonic() < end_s, self.said
            time.sleep(0.01)

    def end(self) -> None:
        self.output.stop()
        self.output.join(20)


@pytest.fixture
def start(tmp_path, node_entry):
    """Starts hosts, one after the other, in one folder."""
    worlds = []

    def start(port, nodes=(node_entry,), **config):
        worlds.append(World(tmp_path, nodes, port, **config))
        return worlds[-1]

    yield start
    for world in worlds:
        world.end()


@pytest.fixture
def mosquitto(tmp_path):
    (tmp_path / "mq").mkdir()
    with broker(tmp_path / "mq") as running:
        yield running


@pytest.fixture
def home(mosquitto):
    running = HomeAssistant(mosquitto.port)
    yield running
    running.close()


def test_results_states_and_alerts_are_said(start, mosquitto, home):
    host = start(mosquitto.port, has_pictures=True)
    host.hear(told(1000.0, fault="no camera"), replace(answer(5), tasks=PIXELS))
    [alert] = host.watch.check(1001.0)
    host.output.tell(alert)
    host.output.flush()
    host.output.look(1001.0)
    home.wait_for(lambda: home.last(ALERT) and home.last(AVAILABILITY))
    assert home.state(RESULT)["label"] == "bee"
    assert home.state(ALERT)["state"] == "raised"
    state = home.wait_for(lambda: (said := home.state(STATE))["alerts"] and said)
    assert (state["label"], state["fault"], state["alerts"]) == ("bee", "no camera", ["fault"])
    assert home.last(AVAILABILITY) == b"online"
    assert home.last(STATUS) == b"online"
    assert home.last(f"latentlink/1/farm/{NODE}/image").startswith(b"\x89PNG")
    host.end()
    home.wait_for(lambda: home.last(STATUS) == b"offline")


def test_who_comes_later_finds_devices_and_states_and_no_old_result(start, mosquitto, home):
    host = start(mosquitto.port)
    host.hear(heard(1000.0), answer(5))
    home.wait_for(lambda: home.state(RESULT) and home.state(STATE))
    late = HomeAssistant(mosquitto.port, "late")
    late.wait_for(lambda: late.state(CONFIG) and late.state(STATE))
    assert late.state(CONFIG)["dev"]["ids"] == ["ll_farm_7"]
    assert all(is_retained for _, _, is_retained in late.heard)
    assert late.of(RESULT) == []
    late.close()


def test_when_home_assistant_begins_it_is_told_devices_and_states_again(start, mosquitto, home):
    host = start(mosquitto.port)
    host.hear(heard(1000.0), answer(5))
    home.wait_for(lambda: home.state(RESULT) and home.state(STATE))
    before = home.of(CONFIG), home.of(STATE)
    home.born()
    home.wait_for(lambda: len(home.of(CONFIG)) > len(before[0]))
    home.wait_for(lambda: len(home.of(STATE)) > len(before[1]))
    assert len(home.of(RESULT)) == 1


def test_a_broker_that_begins_later_or_anew_and_forgot_all_is_told_it(start, tmp_path):
    port = free_port()
    host = start(port)
    host.hear(heard(1000.0), answer(5))
    host.wait_until_said("cannot be reached")
    for name, image in (("first", 5), ("second", 6)):
        (tmp_path / name).mkdir()
        with broker(tmp_path / name, port=port):
            home = HomeAssistant(port)
            home.wait_for_topics(CONFIG, STATE)
            assert home.state(STATE)["image"] == image
            assert home.last(STATUS) == b"online"
            home.close()
        host.wait_until_said("broke")
        host.hear(answer(6))


def test_who_dies_is_offline_by_the_brokers_word(start, mosquitto, home):
    output = start(mosquitto.port).output
    home.wait_for(lambda: home.last(STATUS) == b"online")
    will = Will(output._places.status, b"offline")
    dying = mqtt.BrokerConnection(replace(output._settings, client_id="dying"), will=will)
    dying.break_off()
    home.wait_for(lambda: home.last(STATUS) == b"offline")


def test_a_node_that_was_taken_out_goes_from_home_assistant(start, mosquitto, home, node_entry):
    other = replace(node_entry, number=8)
    host = start(mosquitto.port, nodes=(node_entry, other))
    host.hear(heard(1000.0), heard(1000.0, node=8))
    gone = ["homeassistant/device/ll_farm_8/config", "latentlink/1/farm/8/state"]
    home.wait_for(lambda: all(map(home.last, gone)) and home.last(STATE))
    host.end()
    start(mosquitto.port)
    home.wait_for(lambda: [home.last(topic) for topic in gone] == [b"", b""])
    assert home.state(CONFIG) is not None
    late = HomeAssistant(mosquitto.port, "late")
    late.wait_for(lambda: late.state(CONFIG))
    assert not {topic for topic, _, _ in late.heard} & set(gone)
    late.close()


def test_what_cannot_be_written_down_is_said(start, tmp_path):
    (tmp_path / f"{discovery.FILE}.part").mkdir()
    start(free_port()).wait_until_said("what Home Assistant was told cannot be written down")


def test_a_password_over_tls(start, tmp_path):
    certificate, key = make_certificate(tmp_path)
    passwords = tmp_path / "passwords"
    subprocess.run(
        [program("mosquitto_passwd"), "-b", "-c", str(passwords), "me", "hunter2"], check=True
    )
    (tmp_path / "mq").mkdir()
    settings = f"password_file {passwords}\ncertfile {certificate}\nkeyfile {key}"
    with broker(tmp_path / "mq", f"allow_anonymous false\n{settings}") as secure:
        tls = {"user": "me", "has_tls": True, "ca_file": certificate}
        start(secure.port, password="hunter2", **tls).wait_until_said("results go to the broker")
        wrong = start(secure.port, password="wrong", client_id="other", **tls)
        wrong.wait_until_said("refuses this host (not authorized): check user and password_file")
        wrong.end()


def test_a_broker_that_is_away_costs_the_host_nothing(start):
    host = start(free_port())
    begun_s = time.monotonic()
    for number in range(3000):
        host.hear(answer(number))
    assert time.monotonic() - begun_s < 10
    assert host.output.n_waiting < 2100
