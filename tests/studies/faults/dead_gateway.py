"""A dead gateway: how long a node waits for its answer at a good gateway, alone and beside one that
is dead.

Real are the host's process and all ports: a UDP socket for the good gateway, and beside it, each in
a run of its own, modems without power behind an adapter that works, a device that takes no byte,
one that talks without end, a broker that takes the connection and says nothing, and a name that no
name service knows. What counts is the 99th percentile of the time from a packet to its answer.
"""

import os
import pty
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np

from link.wire.packet import Flag
from tests.worlds.small_bundle import random_symbols, random_tables
from tests.worlds.small_host import KEY, NODE, SmallNode, make_bundle

N_PACKETS = 300
PERCENTILE = 99
PAUSE_S = 0.02
PATIENCE_S = 30.0
DEVICE = "70b3d57ed005b89a"

Dead = Callable[[ExitStack], str]
"The [[link]] of a gateway that is dead, for as long as the stack holds."


def answer_waits_s(dead: Dead | None = None, n_packets: int = N_PACKETS) -> list[float]:
    """From each packet to its answer; a packet that is not answered waits PATIENCE_S."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bundle = make_bundle(folder / "bundle", random_tables(seed=1))
        node = SmallNode(bundle)
        own = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        own.settimeout(PATIENCE_S)
        address = ("127.0.0.1", _free_port())
        good = f'[[link]]\nname = "good"\nport = "127.0.0.1:{address[1]}"\nprofile = "udp"\n'
        stack.enter_context(_host(folder, bundle.path, good + (dead(stack) if dead else "")))
        waits_s = []
        for number in range(n_packets):
            [packet] = node.packets(random_symbols(bundle.tables, number), flags=Flag.LISTEN)
            began_s = time.monotonic()
            own.sendto(packet, address)
            with suppress(TimeoutError):
                own.recv(300)
            waits_s.append(time.monotonic() - began_s)
            time.sleep(PAUSE_S)
        return waits_s


def without_power(profile: str) -> Dead:
    """An adapter that works, and nothing behind it that answers."""

    def link(stack: ExitStack) -> str:
        return _serial_link(_terminal(stack, _read_all), profile)

    return link


def takes_nothing(stack: ExitStack) -> str:
    """A device that hangs: the system's buffers are full, and whoever writes waits."""
    return _serial_link(_terminal(stack, _fill), "serial-115200")


def talks_without_end(stack: ExitStack) -> str:
    return _serial_link(_terminal(stack, _babble), "rak3172-sf9")


def silent_broker(stack: ExitStack) -> str:
    server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=50))
    return (
        '[[link]]\nname = "dead"\nkind = "chirpstack"\nhost = "127.0.0.1"\nport = '
        f"{server.getsockname()[1]}\n"
        f'application = "a1"\n'
    )


def unknown_name(stack: ExitStack) -> str:
    return '[[link]]\nname = "dead"\nport = "gateway.invalid:4300"\nprofile = "udp"\n'


DEAD: dict[str, Dead] = {
    "a RAK3172 without power": without_power("rak3172-sf9"),
    "an RN2483 without power": without_power("rn2483-sf9"),
    "a device that takes nothing": takes_nothing,
    "a device that talks without end": talks_without_end,
    "a broker that says nothing": silent_broker,
    "a name that nobody knows": unknown_name,
}


def p99_ms(waits_s: list[float]) -> float:
    return round(1000 * float(np.percentile(waits_s, PERCENTILE)), 1)


def measure(n_packets: int = N_PACKETS) -> dict[str, float]:
    """good_gateway_p99_ms, and good_gateway_p99_ms_beside_dead: beside the worst of them."""
    alone = p99_ms(answer_waits_s(None, n_packets))
    beside = max(p99_ms(answer_waits_s(dead, n_packets)) for dead in DEAD.values())
    return {"good_gateway_p99_ms": alone, "good_gateway_p99_ms_beside_dead": beside}


@contextmanager
def _host(folder: Path, bundle: Path, links: str) -> Iterator[None]:
    """A host that listens at the good gateway."""
    (folder / "node.key").write_text(KEY.hex())
    network = (
        f'[[node]]\nnode = {NODE + 1}\ndevice = "{DEVICE}"\nbundle = "{bundle}"\n'
        if "chirpstack" in links
        else ""
    )
    (folder / "host.toml").write_text(
        f'store = "host.sqlite"\n{links}[[node]]\nnode = {NODE}\nkey = "node.key"\nbundle = '
        f'"{bundle}"\n{network}'
    )
    command = [sys.executable, "-m", "host_decoder", "listen", str(folder / "host.toml")]
    host = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert host.stderr is not None
    patience = threading.Timer(PATIENCE_S, host.kill)
    patience.start()
    try:
        said = []
        for text in host.stderr:
            said.append(text)
            if "listening on 127.0.0.1" in text:
                break
        else:
            raise RuntimeError(f"the host does not listen: {said}")
        patience.cancel()
        threading.Thread(target=host.stderr.read, daemon=True).start()
        yield
    finally:
        patience.cancel()
        host.kill()
        host.wait()


def _serial_link(port: str, profile: str) -> str:
    return f'[[link]]\nname = "dead"\nport = "{port}"\nprofile = "{profile}"\nregion = "wire"\n'


def _terminal(stack: ExitStack, behave: Callable[[int, int, threading.Event], None]) -> str:
    """The path of a port, and what the device behind it does in a thread: far end, near end, when
    to stop.
    """
    far, near = pty.openpty()
    for end in (far, near):
        tty.setraw(end)
        os.set_blocking(end, False)
    is_over = threading.Event()
    thread = threading.Thread(target=behave, args=[far, near, is_over], daemon=True)
    thread.start()
    stack.callback(os.close, far)
    stack.callback(os.close, near)
    stack.callback(thread.join)
    stack.callback(is_over.set)
    return os.ttyname(near)


def _read_all(far: int, near: int, is_over: threading.Event) -> None:
    while not is_over.wait(0.01):
        with suppress(BlockingIOError):
            os.read(far, 4096)


def _fill(far: int, near: int, is_over: threading.Event) -> None:
    """The near end, as a program that wrote before would have."""
    while not is_over.wait(0.02):
        for n_bytes in (256, 1):
            with suppress(BlockingIOError):
                while os.write(near, bytes(n_bytes)):
                    pass


def _babble(far: int, near: int, is_over: threading.Event) -> None:
    while not is_over.wait(0.001):
        with suppress(BlockingIOError):
            os.write(far, b"+EVT:X\r\n" * 200)
        with suppress(BlockingIOError):
            os.read(far, 4096)


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
