"""A flood: strangers send 20 frames a second in a node's name, and the host takes what the node
itself sends.

Real are the host's process, its port (a pty, a UDP socket), the node's sender with its outbox, and
the clock. The strangers know all but the key: the node's number, the salt of its session, the
counters that come next. Half of their packets tell a salt. What counts is the share of the node's
images that the host answered, and the host's time of a processor.
"""

import json
import os
import pty
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Protocol

from link.coder import latent_coder
from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from link.wire.framing import Deframer, frame
from link.wire.packet import Flag, Header, PacketType
from tests.worlds.ends import OutboxNode
from tests.worlds.small_bundle import random_symbols, random_tables
from tests.worlds.small_host import KEY, NODE, make_bundle

FORGED_PER_S = 20.0
IMAGE_EVERY_S = 0.2
DURATION_S = 20.0
PATIENCE_S = 30.0
"For the host to start, and for the last image after the flood."


class Line(Protocol):
    """What both the node and the strangers speak into."""

    port: str
    "As host.toml names it."
    profile: str

    def send(self, packet: bytes, is_forged: bool) -> None: ...
    def heard(self, wait_s: float) -> list[bytes]: ...
    def close(self) -> None: ...


class SerialLine:
    """The other side of the host's serial port; a byte stream has one sender at a time."""

    profile = "serial-115200"

    def __init__(self) -> None:
        self._own, self._far = pty.openpty()
        for end in (self._own, self._far):
            tty.setraw(end)
        self.port = os.ttyname(self._far)
        self._deframer = Deframer()

    def send(self, packet: bytes, is_forged: bool) -> None:
        os.write(self._own, frame(packet))

    def heard(self, wait_s: float) -> list[bytes]:
        is_ready, _, _ = select.select([self._own], [], [], wait_s)
        return self._deframer.push(os.read(self._own, 4096)) if is_ready else []

    def close(self) -> None:
        os.close(self._own)
        os.close(self._far)


class UdpLine:
    """Node and strangers have a port each; the host answers the node at the one that its packets
    came from.
    """

    profile = "udp"

    def __init__(self) -> None:
        self._own, self._others, probe = (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)
        )
        with closing(probe):
            probe.bind(("127.0.0.1", 0))
            self._address = probe.getsockname()
        self.port = f"127.0.0.1:{self._address[1]}"

    def send(self, packet: bytes, is_forged: bool) -> None:
        (self._others if is_forged else self._own).sendto(packet, self._address)

    def heard(self, wait_s: float) -> list[bytes]:
        is_ready, _, _ = select.select([self._own], [], [], wait_s)
        return [self._own.recv(300)] if is_ready else []

    def close(self) -> None:
        self._own.close()
        self._others.close()


class HostProcess:
    """`python -m host_decoder listen`, its answers and its processor time."""

    def __init__(self, folder: Path, bundle: Path, line: Line) -> None:
        (folder / "node.key").write_text(KEY.hex())
        (folder / "host.toml").write_text(
            f'store = "host.sqlite"\n[link]\nport = "{line.port}"\nprofile = "{line.profile}"\n'
            f'[[node]]\nnode = {NODE}\nkey = "node.key"\nbundle = "{bundle}"\n'
        )
        command = [sys.executable, "-m", "host_decoder", "listen", str(folder / "host.toml")]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.images: set[int] = set()
        self._said: list[str] = []
        self._is_ready = threading.Event()
        for read in (self._read_answers, self._read_notices):
            threading.Thread(target=read, daemon=True).start()
        if not self._is_ready.wait(PATIENCE_S):
            self.close()
            raise RuntimeError(f"the host does not listen: {self._said}")

    def _read_answers(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            event = json.loads(text)
            if event["event"] == "answer":
                self.images.add(event["image"])

    def _read_notices(self) -> None:
        assert self._process.stderr is not None
        for text in self._process.stderr:
            self._said = [*self._said[-5:], text]
            if "listening" in text:
                self._is_ready.set()

    @property
    def cpu_s(self) -> float:
        figures = (
            Path(f"/proc/{self._process.pid}/stat")
            .read_text(encoding="ascii")
            .rpartition(")")[2]
            .split()
        )
        return sum(map(int, figures[11:13])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_S)


class Strangers:
    """Forgeries like what the node sends next."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._random = Random(1)
        self.salt = b""
        self.counter = 0
        self.n_sent = 0

    def overhear(self, packet: bytes) -> None:
        header = Header.unpack(packet)
        self.salt = header.salt or self.salt
        self.counter = header.counter if header.tells_counter else self.counter + 1

    def send(self) -> None:
        self.n_sent += 1
        counter = self.counter + self._random.randint(1, 4)
        salt = [b"", self.salt, b"", self._random.randbytes(4)][self.n_sent % 4]
        flags = Flag.LISTEN | Flag.SALT * bool(salt)
        header = Header(
            NODE, counter & 0xFFFF, PacketType.DATA, flags, salt, counter_high=counter >> 16
        )
        self._line.send(header.pack() + self._random.randbytes(20), is_forged=True)


@contextmanager
def _ends(line: Line) -> Iterator[tuple[OutboxNode, HostProcess]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = make_bundle(folder / "bundle", random_tables(seed=1, n_latents=40))
        timing = LinkTiming(get_profile(line.profile), get_profile(line.profile).turnaround_s)
        node = OutboxNode(folder, bundle, timing=timing, node=NODE, key=KEY)
        with (
            closing(line),
            closing(node.outbox),
            closing(HostProcess(folder, bundle.path, line)) as host,
        ):
            yield node, host


def flood(line: Line, duration_s: float = DURATION_S) -> tuple[float, float]:
    """The share of the images that the host has answered, and its share of a core meanwhile."""
    with _ends(line) as (node, host):
        strangers, began_s, cpu_s, share = Strangers(line), time.monotonic(), host.cpu_s, 1.0
        images: set[int] = set()
        while (now_s := time.monotonic() - began_s) < duration_s + PATIENCE_S:
            is_flooded = now_s < duration_s
            if is_flooded and len(images) * IMAGE_EVERY_S <= now_s:
                symbols = random_symbols(node.bundle.tables, len(images))
                images.add(node.put(latent_coder.encode(symbols, node.bundle.tables), now_s=now_s))
            while is_flooded and strangers.n_sent < now_s * FORGED_PER_S:
                strangers.send()
            if outgoing := node.sender.next_packet(now_s):
                line.send(outgoing.packet, is_forged=False)
                strangers.overhear(outgoing.packet)
                node.sender.transmitted(time.monotonic() - began_s)
            for packet in line.heard(0.01):
                node.sender.receive(packet, time.monotonic() - began_s)
            if is_flooded:
                share = (host.cpu_s - cpu_s) / max(now_s, 1e-3)
            elif not node.outbox.n_images and images <= host.images:
                break
        return len(images & host.images) / len(images), share


def measure(duration_s: float = DURATION_S) -> dict[str, float]:
    """genuine_taken_under_flood and host_cpu_share_under_flood: the worse of a serial line and
    UDP.
    """
    taken, shares = zip(*(flood(line(), duration_s) for line in (SerialLine, UdpLine)), strict=True)
    return {
        "genuine_taken_under_flood": min(taken),
        "host_cpu_share_under_flood": round(max(shares), 3),
    }
