"""One encoder learned on many devices: what they and their server tell each other of it."""

from link.update import code
from link.update.layout import weights_hash
from link.update.settings import FRESH, MASKED, RunSettings
