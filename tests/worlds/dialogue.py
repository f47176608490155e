"""Dialogue: lines of text to an emulated modem, and the lines that come back by a time."""

from link.emulator.channel import UNIMPAIRED
from link.emulator.radio import RadioLine
from link.medium.profiles import get_profile


class Dialogue:
    """A line of text to the modem at an end, and the lines that come back by a time."""

    def __init__(self, name, **options):
        self.line = RadioLine(get_profile(name), UNIMPAIRED, **options)
        self.now_s = 0.0

    def say(self, text, end="a", within_s=0.1):
        self.line.push(end, f"{text}\r\n".encode(), self.now_s)
        return self.hear(within_s, end)

    def hear(self, within_s, end="a"):
        self.now_s += within_s
        written = self.line.pop(end, self.now_s)
        assert written == b"" or written.endswith(b"\r\n")
        return written.decode().split("\r\n")[:-1]
