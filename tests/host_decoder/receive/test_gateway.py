"""Gateways that hang, fail and are attacked: each costs itself only, and the host ends when it is
told.
"""

import itertools
import os
import pty
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import tty
from contextlib import ExitStack, closing, contextmanager, suppress

import pytest

from host_decoder.errors import ConfigError
from host_decoder.events import Answer, Notice
from host_decoder.gateway_config import GatewayConfig
from host_decoder.receive.bell import Bell
from host_decoder.receive.ends import GatewayEntry
from host_decoder.receive.gateway import Gateway
from host_decoder.receive.gateways import governors_of, listen, timing_of
from host_decoder.receive.host import Host
from link.base.clock import boot_s
from link.carriers.carrier import (
    CarrierSettings,
    CarrierStatistics,
    NotSentError,
    PortError,
    Received,
)
from link.carriers.udp import Udp
from link.host.interface import Rejected
from link.medium.profiles import get_profile
from link.wire.packet import Flag
from tests.host_decoder.receive.test_gateways import left_s, radio
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import KEY, NODE, SmallNode

PATIENCE_S = 30.0
AT_ONCE_S = 2.0
"What a hanging gateway must not add to; a busy machine takes its time."


class Scripted(GatewayConfig):
    """A gateway without a port: the named call hangs until the test is over, or fails; the others
    work.
    """

    hangs_in: str
    fails_in: dict[str, Exception]
    calls: list[tuple[str, float]]
    coming: list[Received]
    said: list[bytes]
    over: threading.Event
    is_hanging: threading.Event
    statistics = CarrierStatistics()

    @classmethod
    def make(cls, name="scripted", hangs_in="", fails_in=None, profile="udp"):
        gateway = cls(name, CarrierSettings(get_profile(profile), "nowhere"), "wire")
        state = {
            "hangs_in": hangs_in,
            "fails_in": fails_in or {},
            "calls": [],
            "coming": [],
            "said": [],
        }
        for field, value in {
            **state,
            "over": threading.Event(),
            "is_hanging": threading.Event(),
        }.items():
            object.__setattr__(gateway, field, value)
        return gateway

    def _called(self, call):
        self.calls.append((call, time.monotonic()))
        if call == self.hangs_in:
            self.is_hanging.set()
            self.over.wait(PATIENCE_S)
        if call in self.fails_in:
            raise self.fails_in[call]

    def open(self):
        self._called("open")
        return self

    def receive(self, timeout_s):
        self._called("receive")
        time.sleep(timeout_s)
        heard = list(self.coming)
        self.coming.clear()
        return heard

    def send(self, packet):
        self._called("send")
        self.said.append(packet)

    def close(self):
        self._called("close")


@contextmanager
def listening(host, gateways):
    try:
        with closing(listen(host, gateways, lambda: False, retry_s=0.01)) as events:
            yield events
    finally:
        for gateway in gateways:
            gateway.over.set()


def until(events, condition):
    """What was told until then."""
    told: list = []
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition(told):
        assert time.monotonic() < deadline_s, told
        if (event := next(events)) is not None:
            told.append(event)
    return told


def asks(node, bundle, seed=0):
    [packet] = node.packets(random_symbols(bundle.tables, seed), flags=Flag.LISTEN)
    return packet


@pytest.mark.parametrize("call", ["open", "receive", "send", "close"])
@pytest.mark.parametrize("is_first", [True, False])
def test_whatever_a_gateway_hangs_in_the_others_answer_and_the_host_ends(
    node_entry, store, bundle, call, is_first
):
    fails_in = {"receive": PortError("it vanished")} if call == "close" else None
    good, bad = Scripted.make("good"), Scripted.make("bad", hangs_in=call, fails_in=fails_in)
    gateways = [bad, good] if is_first else [good, bad]
    host = Host(
        [node_entry],
        store,
        timing=timing_of(gateways),
        gateways=[GatewayEntry("0"), GatewayEntry("1")],
    )
    node = SmallNode(bundle)
    with listening(host, gateways) as events:
        if call == "send":
            until(
                events,
                lambda _: len({one for gateway in gateways for one, _ in gateway.calls}) >= 2,
            )
            bad.coming.append(Received(asks(node, bundle)))
        until(events, lambda _: bad.is_hanging.is_set())
        for seed in range(1, 4):
            began_s = time.monotonic()
            good.coming.append(Received(asks(node, bundle, seed)))
            until(events, lambda _, seed=seed: len(good.said) == seed)
            assert time.monotonic() - began_s < AT_ONCE_S
        began_s = time.monotonic()
        events.close()
        assert time.monotonic() - began_s < AT_ONCE_S


def test_a_carrier_is_opened_again_ever_more_rarely_and_that_is_told_once(node_entry, store):
    absent = Scripted.make(fails_in={"open": PortError("the port is not there")})
    with listening(Host([node_entry], store), [absent]) as events:
        told = until(events, lambda _: len(absent.calls) == 5)
    [notice] = told
    assert notice == Notice(
        "the port is not there; trying again, at least once a minute", is_problem=True
    )
    times_s = [at_s for _, at_s in absent.calls]
    pauses_s = [later - earlier for earlier, later in itertools.pairwise(times_s)]
    assert all(pause_s >= 0.01 * 2**i for i, pause_s in enumerate(pauses_s))


def test_a_fault_that_changes_is_told_and_one_of_a_library_stops_nothing(node_entry, store):
    odd = Scripted.make(fails_in={"open": PortError("ports here: none")})
    with listening(Host([node_entry], store), [odd]) as events:
        until(events, lambda told: len(told) == 1)
        odd.fails_in["open"] = PortError("ports here: /dev/ttyUSB1")
        until(events, lambda told: len(told) == 1)
        odd.fails_in["open"] = RuntimeError("of some library")
        [told] = until(events, lambda told: len(told) == 1)
        assert (
            "gateway scripted failed (RuntimeError: of some library); trying again" in told.sentence
        )
        odd.fails_in.clear()
        [told] = until(events, lambda told: len(told) == 1)
    assert told.sentence.startswith("listening on")


def test_settings_that_can_never_work_end_the_host_in_a_sentence(node_entry, store):
    wrong = Scripted.make(fails_in={"open": ValueError("no such modem")})
    with (
        listening(Host([node_entry], store), [wrong]) as events,
        pytest.raises(ConfigError, match="gateway scripted:"),
    ):
        until(events, lambda _: False)


def test_a_packet_that_cannot_be_sent_is_no_reason_to_open_the_port_again(
    node_entry, store, bundle
):
    gateway = Scripted.make(fails_in={"send": NotSentError("nobody is there")})
    host = Host([node_entry], store, timing=timing_of([gateway]))
    node = SmallNode(bundle)
    with listening(host, [gateway]) as events:
        for seed in range(3):
            gateway.coming.append(Received(asks(node, bundle, seed)))
            until(events, lambda told: any(isinstance(one, Answer) for one in told))
        until(events, lambda _: [one for one, _ in gateway.calls].count("send") == 3)
    assert [one for one, _ in gateway.calls].count("open") == 1


def test_what_was_heard_is_stored_before_the_port_is_asked_again():
    gateway, bell = Scripted.make(), Bell()
    worker = Gateway(gateway, bell)
    gateway.coming.append(Received(b"first"))
    worker.start()
    heard: list = []
    while not heard:
        bell.wait_for(lambda: worker.has_news, PATIENCE_S)
        heard = worker.take()
    n_calls = len(gateway.calls)
    gateway.coming.append(Received(b"second"))
    time.sleep(0.1)
    assert len(gateway.calls) == n_calls
    worker.release()
    while not (heard := worker.take()):
        bell.wait_for(lambda: worker.has_news, PATIENCE_S)
    assert [one.packet for one in heard] == [b"second"]
    worker.end()
    worker.join(time.monotonic() + PATIENCE_S)
    assert gateway.calls[-1][0] == "close"


# --- UDP
# ------------------------------------------------------------------------------------------


def udp_socket(stack) -> socket.socket:
    opened = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    opened.bind(("127.0.0.1", 0))
    opened.settimeout(0.2)
    return opened


def test_each_node_is_answered_where_its_own_packets_come_from_and_a_stranger_nowhere(
    node_entry, store, bundle
):
    address = ("127.0.0.1", free_port())
    gateway = GatewayConfig("udp", CarrierSettings(get_profile("udp"), f"127.0.0.1:{address[1]}"))
    host = Host([node_entry], store, timing=timing_of([gateway]))
    node = SmallNode(bundle)
    with ExitStack() as stack:
        own, moved, stranger = (udp_socket(stack) for _ in range(3))
        events = stack.enter_context(closing(listen(host, [gateway], lambda: False)))
        until(events, lambda told: bool(told))
        recording = asks(node, bundle)
        for place, packet in [(own, recording), (moved, asks(node, bundle, 1))]:
            stranger.sendto(b"garbage of some length", address)
            place.sendto(packet, address)
            until(events, lambda told: any(isinstance(one, Answer) for one in told))
            stranger.sendto(recording, address)
            until(events, lambda told: any(isinstance(one, Rejected) for one in told))
            assert place.recv(300)
        with pytest.raises(TimeoutError):
            stranger.recv(300)


def test_nobody_is_at_port_0():
    carrier = Udp(CarrierSettings(get_profile("udp"), "127.0.0.1:0"))
    assert carrier._accept(b"hello", ("127.0.0.1", 0)) == []
    assert carrier.statistics.n_noise == 1
    carrier.close()


# --- Airtime
# ------------------------------------------------------------------------------------------


def test_a_frame_that_left_late_is_charged_from_then_on_and_one_that_did_not_leave_is_not(
    node_entry, store, bundle
):
    slow = Scripted.make(profile="rn2483-sf9")
    [governor] = governors_of([GatewayConfig("slow", radio("slow").settings, "eu868")])
    host = Host(
        [node_entry], store, timing=timing_of([slow]), gateways=[GatewayEntry(governor=governor)]
    )
    node, full_s = SmallNode(bundle), left_s(governor)
    slow.fails_in["send"] = NotSentError("its channel is closed")
    with listening(host, [slow]) as events:
        slow.coming.append(Received(asks(node, bundle)))
        until(
            events,
            lambda told: any(
                isinstance(one, Notice) and "not sent" in one.sentence for one in told
            ),
        )
        next(events)
        assert left_s(governor) == pytest.approx(full_s)
        slow.fails_in.clear()
        object.__setattr__(slow, "send", lambda packet: time.sleep(1.0))
        began_s = boot_s()
        slow.coming.append(Received(asks(node, bundle, 1)))
        until(events, lambda _: governor.ledger.used_s(began_s + 1.0) > 0)
    assert left_s(governor) < full_s


# --- A real process at real ports
# -------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def hung_port():
    """The path of a port whose device takes no byte."""
    master, slave = pty.openpty()
    tty.setraw(master)
    tty.setraw(slave)
    fill(slave)
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def fill(descriptor) -> None:
    """Until nobody can write to it without waiting."""
    os.set_blocking(descriptor, False)
    for _ in range(5):  # a terminal moves what it holds, and then has room again
        with suppress(BlockingIOError):
            while os.write(descriptor, bytes(256)):
                pass
        with suppress(BlockingIOError):
            while os.write(descriptor, bytes(1)):
                pass
        time.sleep(0.02)
    os.set_blocking(descriptor, True)


@contextmanager
def host_process(tmp_path, bundle, links, **options):
    (tmp_path / "node.key").write_text(KEY.hex())
    path = tmp_path / "host.toml"
    path.write_text(
        f'store = "host.sqlite"\n{links}[[node]]\nnode = {NODE}\nkey = "node.key"\nbundle = '
        f'"{bundle.path}"\n'
    )
    command = [sys.executable, "-m", "host_decoder", "listen", str(path)]
    with subprocess.Popen(command, text=True, stderr=subprocess.PIPE, **options) as host:
        patience = threading.Timer(PATIENCE_S, host.kill)
        patience.start()
        try:
            yield host
        finally:
            patience.cancel()
            host.kill()


def say_until(host, text):
    for line in host.stderr:
        if text in line:
            return
    raise AssertionError(f"the host ended with {host.wait()}")


def wait_until_stored(path):
    """Until the host has a packet."""
    with closing(sqlite3.connect(path, timeout=PATIENCE_S)) as store:
        deadline_s = time.monotonic() + PATIENCE_S
        while not store.execute("SELECT count(*) FROM packets").fetchone()[0]:
            assert time.monotonic() < deadline_s
            time.sleep(0.02)


def link(port, profile, name):
    return f'[[link]]\nname = "{name}"\nport = "{port}"\nprofile = "{profile}"\nregion = "wire"\n'


def test_a_device_that_takes_nothing_costs_its_gateway_only_and_the_host_ends(
    tmp_path, bundle, hung_port
):
    port, node = free_port(), SmallNode(bundle)
    links = link(hung_port, "serial-115200", "hung") + link(f"127.0.0.1:{port}", "udp", "good")
    with (
        host_process(tmp_path, bundle, links, stdout=subprocess.DEVNULL) as host,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        say_until(host, "listening on 127.0.0.1")
        udp.settimeout(PATIENCE_S)
        for seed in range(20):
            began_s = time.monotonic()
            udp.sendto(asks(node, bundle, seed), ("127.0.0.1", port))
            assert udp.recv(300)
            assert time.monotonic() - began_s < AT_ONCE_S
        say_until(host, "has taken no bytes")
        began_s = time.monotonic()
        host.send_signal(signal.SIGTERM)
        assert host.wait(PATIENCE_S) == 0
        assert time.monotonic() - began_s < AT_ONCE_S


@pytest.mark.parametrize("n_signals", [1, 2])
def test_a_host_whose_output_nobody_reads_ends_all_the_same(tmp_path, bundle, n_signals):
    port, node = free_port(), SmallNode(bundle)
    reader, writer = os.pipe()
    with (
        host_process(
            tmp_path, bundle, link(f"127.0.0.1:{port}", "udp", "good"), stdout=writer
        ) as host,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        say_until(host, "listening on")
        fill(writer)
        udp.sendto(asks(node, bundle), ("127.0.0.1", port))
        wait_until_stored(tmp_path / "host.sqlite")
        time.sleep(0.5)  # then it says so, in vain
        began_s = time.monotonic()
        for _ in range(n_signals):
            host.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        assert host.wait(PATIENCE_S) == 128 + signal.SIGTERM
        assert time.monotonic() - began_s < AT_ONCE_S
    os.close(reader)
    os.close(writer)
