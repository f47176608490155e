"""Lines that are not there."""

from link.emulator.channel import parse_loss
