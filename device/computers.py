"""Computers: what those that nodes are made of take, as others measured it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ComputerPower:
    """In W at the 5 V supply."""

    idle_w: float
    busy_w: float
    source: str


COMPUTERS = {
    "zero2w": ComputerPower(
        0.6, 1.0, "Zero 2 W: idle 120 mA at 5 V (cnx-software); one core busy: assumed"
    ),
    "zero2w-trimmed": ComputerPower(
        0.375, 1.0, "Zero 2 W without HDMI and USB: 75 mA at 5 V (cnx-software)"
    ),
}
