"""One encoder learned on many devices: what they and their server tell each other of it."""

from link.update import code
from link.update.device_end import DeviceEnd, Standing, Work, max_message_bytes
from link.update.layout import Layout, weights_hash
from link.update.message import MessageError
from link.update.settings import FRESH, MASKED, RunSettings
