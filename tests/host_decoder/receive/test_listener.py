"""A host at an emulated line, with real ports: it answers, explains, waits for its port, and ends
when it is told.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace

import pytest

from host_decoder.config import HostConfig
from host_decoder.events import Answer, Notice
from host_decoder.gateway_config import GatewayConfig
from host_decoder.live.processes import Child
from host_decoder.receive import gateways
from host_decoder.receive.ends import GatewayEntry
from host_decoder.receive.gateways import _ledger_path, listen, timing_of
from host_decoder.receive.host import Host
from host_decoder.receive.listener import Listener
from link.carriers.carrier import CarrierSettings, CarrierStatistics, Received
from link.carriers.serial_port import open_port
from link.host.interface import NotUsed, Rejected
from link.lorawan.host.carrier import NetworkSettings
from link.lorawan.wire import Greeting, pack_chunk, port_of
from link.medium.profiles import get_profile
from link.output.notifier import Notifier
from link.wire.control import Quality, Report
from link.wire.packet import Flag, PacketType
from tests.worlds.broker import FakeNetwork, broker, chirpstack_uplink
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import KEY, NODE, SmallNode, right_label
from tests.worlds.stored import read

PATIENCE_S = 60.0
MANY_IMAGES = 300
"Whose answers a pipe does not hold."
PIPE_BYTES = 65_536


def start_line(link_dir, profile: str = "serial-115200") -> Child:
    """Two ends at link_dir/a and link_dir/b, ready for use."""
    command = [
        sys.executable,
        "-m",
        "link",
        "emulate",
        "--link",
        profile,
        "--link-dir",
        str(link_dir),
    ]
    child = Child("the line", command)
    assert child.take_lines(wait_s=PATIENCE_S), child.why_ended()
    return child


def gateway(
    port, profile: str = "serial-115200", has_downlink: bool = False, name: str = "line"
) -> GatewayConfig:
    settings = CarrierSettings(get_profile(profile), str(port), frequency_hz=869_525_000)
    return GatewayConfig(name, settings, "wire", has_downlink)


@pytest.fixture
def line(tmp_path):
    with start_line(tmp_path / "line"):
        yield tmp_path / "line"


@pytest.fixture
def host_toml(tmp_path, bundle, other_bundle, line):
    (tmp_path / "node.key").write_text(KEY.hex())
    path = tmp_path / "host.toml"
    path.write_text(
        f'store = "host.sqlite"\nbundles = "{other_bundle.path.parent}"\n'
        f'[link]\nport = "{line / "b"}"\nprofile = "serial-115200"\n'
        f'[[node]]\nnode = {NODE}\nkey = "node.key"\nbundle = "{bundle.path}"\n'
    )
    return path


class Waiting:
    """Takes what a listener says until it has said what a test waits for."""

    def __init__(self, events) -> None:
        self._events = events
        self.heard: list = []

    def until(self, kind, n=1) -> list:
        """The next n events of a kind."""
        deadline_s = time.monotonic() + PATIENCE_S
        found: list = []
        for event in self._events:
            assert time.monotonic() < deadline_s, f"heard only {self.heard}"
            if event is not None:
                self.heard.append(event)
            if isinstance(event, kind):
                found.append(event)
            if len(found) == n:
                break
        return found


def test_what_crosses_a_real_line_is_answered_or_explained(
    line, node_entry, store, bundle, other_bundle
):
    host = Host([node_entry], store, [other_bundle])
    symbols = [random_symbols(bundle.tables, seed) for seed in range(4)]
    node = SmallNode(bundle)
    with (
        open_port(str(line / "a"), 115_200) as port,
        closing(listen(host, [gateway(line / "b")], lambda: False)) as events,
    ):
        waiting = Waiting(events)
        [notice] = waiting.until(Notice)
        assert "listening on" in notice.sentence
        first = node.frames(symbols[0])
        stranger = SmallNode(bundle, key=bytes(16)).frames(symbols[0])
        foreign = SmallNode(other_bundle, start=100).frames(random_symbols(other_bundle.tables, 0))
        for frames in (first, stranger, foreign, first, b"garbage\0"):
            port.write(frames)
        [answer] = waiting.until(Answer)
        assert answer.label == right_label(symbols[0])
        refusals = waiting.until(Rejected, n=4)
        said = {refusal.reason: refusal.sentence for refusal in refusals}
        assert set(said) == {"not opened", "other bundle", "duplicate", "noise"}
        assert str(other_bundle.path) in said["other bundle"]
        later = SmallNode(bundle, start=101)
        port.write(later.frames(symbols[1]))
        [answer] = waiting.until(Answer)
        assert answer.label == right_label(symbols[1])
    host.close()
    assert {row["reason"]: row["n"] for row in store.statistics()["refusals"]} == {
        "not opened": 1,
        "other bundle": 1,
        "duplicate": 1,
        "noise": 1,
    }


def test_a_port_that_vanishes_is_waited_for(tmp_path, node_entry, store, bundle):
    port_b, node = gateway(tmp_path / "line" / "b"), SmallNode(bundle)
    symbols = random_symbols(bundle.tables, 0)
    with closing(
        listen(Host([node_entry], store), [port_b], lambda: False, retry_s=0.05)
    ) as events:
        waiting = Waiting(events)
        [notice] = waiting.until(Notice)
        assert notice.is_problem
        assert "does not exist" in notice.sentence
        assert "trying again" in notice.sentence
        for _ in range(2):
            with (
                start_line(tmp_path / "line"),
                open_port(str(tmp_path / "line" / "a"), 115_200) as port,
            ):
                [notice] = waiting.until(Notice)
                assert not notice.is_problem
                port.write(node.frames(symbols))
                [answer] = waiting.until(Answer)
                assert answer.label == right_label(symbols)
            [notice] = waiting.until(Notice)
            assert notice.is_problem
            assert "vanished" in notice.sentence
            if "does not exist" not in notice.sentence:
                waiting.until(Notice)  # then it is gone for good


def test_a_second_gateway_that_vanished_keeps_nobody_waiting(tmp_path, node_entry, store, bundle):
    symbols = random_symbols(bundle.tables, 0)
    missing = gateway(tmp_path / "nowhere", name="cellar")
    with (
        start_line(tmp_path / "line"),
        open_port(str(tmp_path / "line" / "a"), 115_200) as port,
        closing(
            listen(
                Host([node_entry], store, gateways=[GatewayEntry("cellar"), GatewayEntry("roof")]),
                [missing, gateway(tmp_path / "line" / "b", name="roof")],
                lambda: False,
            )
        ) as events,
    ):
        waiting = Waiting(events)
        waiting.until(Notice, n=2)
        port.write(SmallNode(bundle).frames(symbols))
        [answer] = waiting.until(Answer)
        assert answer.label == right_label(symbols)
    assert read(store, "SELECT gateway FROM receptions") == [{"gateway": "roof"}]


class Roof(GatewayConfig):
    """A gateway without a port: it hears `coming`, each packet as well as its number says, and
    keeps what it `said`.
    """

    coming: list[Received]
    said: list[bytes]
    statistics = CarrierStatistics()

    def open(self):
        return self

    def receive(self, timeout_s):
        time.sleep(min(timeout_s, 0.001))
        heard = list(self.coming)
        self.coming.clear()
        return heard

    def send(self, packet):
        self.said.append(packet)

    def close(self):
        pass


def make_roofs(n: int) -> list[Roof]:
    roofs = [Roof(str(number), gateway("nowhere").settings, "wire") for number in range(n)]
    for roof in roofs:
        object.__setattr__(roof, "coming", [])
        object.__setattr__(roof, "said", [])
    return roofs


@pytest.mark.parametrize("best", [0, 1, 2])
def test_the_gateway_that_heard_best_answers_and_the_others_take_no_notice(
    node_entry, store, bundle, best, monkeypatch
):
    node, wanted = SmallNode(bundle), [number == best for number in range(3)]
    for patience_s in (0.5, 5.0):  # threads of a busy machine hear the packet late
        monkeypatch.setattr(gateways, "OTHERS_S", patience_s)
        roofs = make_roofs(3)
        timing = timing_of(roofs)
        assert timing is not None
        host = Host(
            [node_entry],
            store,
            timing=replace(timing, turnaround_s=patience_s),
            gateways=[GatewayEntry(name) for name in "012"],
        )
        [packet] = node.packets(random_symbols(bundle.tables, 0), flags=Flag.LISTEN)
        with closing(listen(host, roofs, lambda: False)) as events:
            heard = answered(roofs, best, packet, events)
        if [len(roof.said) for roof in roofs] == wanted:
            break
    assert [len(roof.said) for roof in roofs] == wanted
    assert {type(event) for event in heard} == {Answer, NotUsed, Notice}


def answered(roofs, best, packet, events):
    """The events while all roofs hear a packet, one of them best, and then each other's answer."""
    waiting = Waiting(events)
    waiting.until(Notice)
    for roof in roofs:
        quality = Quality(5.0, -80.0 if roof is roofs[best] else -100.0)
        roof.coming.append(Received(packet, quality))
    waiting.until(Rejected, n=2)
    deadline_s = time.monotonic() + PATIENCE_S
    while not (said := [one for roof in roofs for one in roof.said]):
        assert time.monotonic() < deadline_s
        next(events)  # each roof has a thread of its own, which speaks when it comes to it
    for roof in roofs:
        roof.coming += [] if roof.said else [Received(said[0])]
    for _ in range(10):
        assert not isinstance(next(events), Rejected)
    return waiting.heard


@pytest.mark.parametrize("profile", ["serial-115200", "lora-sf7", "rn2483-sf7"])
def test_a_node_that_listens_is_answered_over_a_real_line(
    tmp_path, node_entry, store, bundle, profile
):
    port_b = gateway(tmp_path / "line" / "b", profile, has_downlink=True)
    port_a = gateway(tmp_path / "line" / "a", profile)
    with start_line(tmp_path / "line", profile), closing(port_a.open()) as carrier:
        host = Host([node_entry], store, timing=timing_of([port_b]))
        with closing(listen(host, [port_b], lambda: False)) as events:
            waiting, node = Waiting(events), SmallNode(bundle)
            waiting.until(Notice)
            [packet] = node.packets(random_symbols(bundle.tables, 0), flags=Flag.LISTEN)
            carrier.send(packet)
            waiting.until(Answer)
            deadline_s = time.monotonic() + PATIENCE_S
            while not (heard := carrier.receive(0.05)) and time.monotonic() < deadline_s:
                next(events)
    report = node.hear(heard[0].packet)
    assert isinstance(report, Report)
    assert report.received == 1


def test_a_node_behind_a_lorawan_network_is_answered_over_a_real_broker(
    tmp_path, node_entry, store, bundle
):
    device, symbols = "70b3d57ed005b89a", random_symbols(bundle.tables, 0)
    [chunk] = SmallNode(bundle).chunks(symbols, image=5)
    with broker(tmp_path) as mosquitto, closing(FakeNetwork(mosquitto.port)) as network:
        settings = NetworkSettings(
            server="chirpstack",
            host="localhost",
            application="a1",
            devices={device: NODE},
            port=mosquitto.port,
        )
        host = Host(
            [replace(node_entry, key=b"", device=device)],
            store,
            gateways=[GatewayEntry(is_network=True)],
        )
        with closing(listen(host, [GatewayConfig("network", settings)], lambda: False)) as events:
            waiting = Waiting(events)
            [notice] = waiting.until(Notice)
            assert notice.sentence == "listening on chirpstack at localhost"
            topic = f"application/a1/device/{device}/event/up"
            network.publish(topic, b"no JSON")
            for frame_counter, (kind, body) in enumerate(
                [
                    (PacketType.HELLO, Greeting(bundle.id, 5).pack()),
                    (PacketType.DATA, pack_chunk(chunk)),
                ]
            ):
                network.publish(
                    topic, chirpstack_uplink(device, frame_counter, port_of(kind), body)
                )
            [answer] = waiting.until(Answer)
        heard = [event.sentence for event in waiting.heard if isinstance(event, Notice)]
    assert answer.label == right_label(symbols)
    assert any("JSON" in sentence for sentence in heard)


def test_a_radio_whose_region_is_not_set_says_that_it_only_listens(tmp_path, node_entry):
    radio = GatewayConfig("roof", CarrierSettings(get_profile("rn2483-sf7"), "/dev/nowhere"))
    said: list[str] = []
    listener = Listener(
        HostConfig((radio,), tmp_path / "host.sqlite", (node_entry,)), should_stop=lambda: True
    )
    listener.print_lines(print_json=lambda line: None, say=said.append)
    [sentence] = said
    assert sentence.startswith("gateway roof only listens: no region is set")


def test_onlookers_are_told_what_the_listener_says(tmp_path, node_entry):
    seen: list = []
    config = HostConfig((gateway(tmp_path / "b"),), tmp_path / "host.sqlite", (node_entry,))
    listener = Listener(config, lambda: bool(seen), onlookers=[seen.append])
    said: list[str] = []
    listener.print_lines(print_json=lambda line: None, say=said.append)
    assert [event.sentence for event in seen] == said
    assert "does not exist" in said[0]


def test_what_others_of_this_process_have_to_say_is_said_and_shown(tmp_path, node_entry):
    seen: list = []
    waiting = [Notice("the broker is away", is_problem=True)]
    config = HostConfig((gateway(tmp_path / "b"),), tmp_path / "host.sqlite", (node_entry,))
    listener = Listener(
        config,
        lambda: not waiting,
        onlookers=[seen.append],
        asides=lambda: [waiting.pop() for _ in waiting[:]],
    )
    said: list[str] = []
    listener.print_lines(print_json=lambda line: None, say=said.append)
    assert "the broker is away" in said
    assert "the broker is away" in [event.sentence for event in seen]


def test_a_ledger_for_which_a_radio_has_to_be_silent_is_told(tmp_path, node_entry):
    settings = CarrierSettings(get_profile("rn2483-sf7"), "/dev/nowhere", frequency_hz=869_525_000)
    config = HostConfig(
        (GatewayConfig("roof", settings, "eu868"),), tmp_path / "host.sqlite", (node_entry,)
    )
    _ledger_path("roof", tmp_path).write_text("no ledger")
    said: list[str] = []
    Listener(config, should_stop=lambda: True).print_lines(
        print_json=lambda line: None, say=said.append
    )
    [sentence] = said
    assert sentence.startswith(f"airtime ledger {_ledger_path('roof', tmp_path)} is damaged")
    assert sentence.endswith("this end counts its airtime as used up")


def test_the_command_prints_json_lines_and_ends_after_a_count(host_toml, line, bundle, tmp_path):
    symbols = [random_symbols(bundle.tables, seed) for seed in range(3)]
    command = [sys.executable, "-m", "host_decoder", "listen", str(host_toml), "--count", "3"]
    listener = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with listener, open_port(str(line / "a"), 115_200) as port:
        assert listener.stderr
        assert "listening on" in listener.stderr.readline()
        node = SmallNode(bundle)
        port.write(b"garbage\0")
        assert "came damaged" in listener.stderr.readline()
        port.write(b"".join(node.frames(row) for row in symbols))
        out, _ = listener.communicate(timeout=PATIENCE_S)
    events = [json.loads(line) for line in out.splitlines()]
    [refusal] = [event for event in events if event["event"] == "refusal"]
    assert (refusal["reason"], refusal["n"]) == ("noise", 1)
    assert [event["label"] for event in events if event["event"] == "answer"] == [
        right_label(row) for row in symbols
    ]
    assert listener.returncode == 0
    assert (tmp_path / "host.sqlite").exists()


def test_the_command_ends_when_nothing_comes_or_on_sigterm(host_toml):
    command = [sys.executable, "-m", "host_decoder", "listen", str(host_toml), "--view"]
    idle = subprocess.Popen([*command, "--idle-timeout", "0.2"], stdout=subprocess.PIPE, text=True)
    out, _ = idle.communicate(timeout=PATIENCE_S)
    assert idle.returncode == 0
    assert "0 / ?" in out
    stopped = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    )
    assert stopped.stdout
    assert "over serial-115200 at" in stopped.stdout.readline()
    stopped.terminate()
    out, _ = stopped.communicate(timeout=PATIENCE_S)
    assert stopped.returncode == 0
    assert "images answered" in out


def test_a_host_whose_output_nobody_reads_answers_its_nodes(tmp_path, bundle):
    (tmp_path / "node.key").write_text(KEY.hex())
    path = tmp_path / "host.toml"
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
    ):
        one.bind(("127.0.0.1", 0))
        address = one.getsockname()
        one.close()
        end.settimeout(PATIENCE_S)
        path.write_text(
            f'[link]\nport = "127.0.0.1:{address[1]}"\nprofile = "udp"\n'
            f'[[node]]\nnode = {NODE}\nkey = "node.key"\nbundle = "{bundle.path}"\n'
        )
        command = [sys.executable, "-m", "host_decoder", "listen", str(path)]
        host = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with host:
            assert host.stderr
            assert "listening on" in host.stderr.readline()
            node = SmallNode(bundle)
            for _ in range(MANY_IMAGES):
                for packet in node.packets(random_symbols(bundle.tables, 1), flags=Flag.LISTEN):
                    end.sendto(packet, address)
                    assert end.recv(255)
            host.terminate()
            out, _ = host.communicate(timeout=PATIENCE_S)
    assert len(out.splitlines()) <= MANY_IMAGES
    assert len(out) > PIPE_BYTES


def test_a_service_manager_hears_that_it_is_up_works_and_ends(tmp_path, node_entry):
    said: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        config = HostConfig((gateway(tmp_path / "away"),), tmp_path / "host.sqlite", (node_entry,))
        Listener(config, lambda: False, idle_timeout_s=0.2, notifier=notifier).print_lines(
            print_json=lambda line: None, say=lambda sentence: None
        )
        manager.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                said.append(manager.recv(999))
    assert said[0] == b"READY=1"
    assert b"WATCHDOG=1" in said
    assert any(one.startswith(b"STATUS=port ") for one in said)
    assert said[-1] == b"STOPPING=1"
