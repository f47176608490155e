"""Carriers, one file each; link.carriers.carrier opens them by name."""

from link.carriers.carrier import (
    DEFAULT_FREQUENCY_HZ,
    Carrier,
    CarrierSettings,
    DoesNotFit,
    NotSentError,
    PortError,
    Received,
    open_carrier,
)
from link.carriers.reopening import Reopening
