"""Carriers at an emulated line in virtual time: what takes seconds on the air takes none in a
test.
"""

from types import SimpleNamespace

from link.carriers.carrier import CarrierSettings, open_carrier
from link.emulator.air import HOUR_S
from link.emulator.cable import Cable
from link.emulator.radio import RadioLine
from link.medium.profiles import get_profile

CARRIER_MODULES = ("serial_line", "command_line", "rn2483", "rak3172", "e22")


class VirtualWorld:
    """A line, a clock that moves when somebody waits, and ports that are no files."""

    def __init__(self, monkeypatch, profile, line=None, **line_options):
        self.now_s = 1000.0
        self.profile = get_profile(profile)
        self.arrived: dict[str, bytes] = {}
        self.arrived_s: dict[str, float] = {}
        "When the latest bytes came out at an end."
        self.line = line or (RadioLine if self.profile.is_radio else Cable)(
            self.profile, **line_options
        )
        clock = SimpleNamespace(monotonic=lambda: self.now_s, sleep=self.sleep)
        for name in CARRIER_MODULES:
            monkeypatch.setattr(f"link.carriers.{name}.open_port", self.open_port, raising=False)
            monkeypatch.setattr(f"link.carriers.{name}.time", clock, raising=False)

    def sleep(self, duration_s):
        self.now_s += max(0.0, duration_s)

    def open_port(self, path, bitrate_bps):
        return VirtualPort(self, path)

    def open(self, end, **settings):
        return open_carrier(CarrierSettings(self.profile, end, **settings))

    def take(self, end):
        """What has come out at an end; what comes out at the others waits there."""
        for other in self.line.ends:
            if data := self.line.pop(other, self.now_s):
                self.arrived_s[other] = self.now_s
            self.arrived[other] = self.arrived.get(other, b"") + data
        data, self.arrived[end] = self.arrived[end], b""
        return data

    def elapsed_s(self, work):
        started_s = self.now_s
        work()
        return self.now_s - started_s


class VirtualPort:
    """Waiting at it moves the clock to when something happens on the line."""

    def __init__(self, world, end):
        self.world = world
        self.end = end
        self.is_open = True

    def write(self, data):
        self.world.line.push(self.end, data, self.world.now_s)

    def read(self, timeout_s):
        deadline_s = self.world.now_s + timeout_s
        while True:
            if data := self.world.take(self.end):
                return data
            due_s = self.world.line.next_due_s()
            if due_s is None or due_s > deadline_s:
                self.world.now_s = max(self.world.now_s, min(deadline_s, self.world.now_s + HOUR_S))
                return b""
            self.world.now_s = max(self.world.now_s, due_s)

    def close(self):
        self.is_open = False


class Script:
    """A line at whose other side somebody answers from a list, whatever is written."""

    ends = ("a",)

    def __init__(self, *answers):
        self.answers = list(answers)
        self.written = b""
        self.waiting = b""

    def push(self, _, data, __):
        self.written += data
        if self.answers and data.endswith(b"\n"):
            self.waiting += self.answers.pop(0)

    def pop(self, _, __):
        data, self.waiting = self.waiting, b""
        return data

    def next_due_s(self):
        return None
