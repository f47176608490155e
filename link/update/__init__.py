"""One encoder learned on many devices: what they and their server tell each other of it."""

from link.update import code, device_end, message, outer_step
from link.update.layout import Layout, weights_hash
from link.update.memory import settle
from link.update.quantiser import quantise_within
from link.update.settings import FRESH, MASKED, RunSettings
