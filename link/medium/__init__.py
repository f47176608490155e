"""How long a frame takes, and how often one may speak."""

from link.medium.airtime import LoRaConfig, UartConfig
from link.medium.governor import Governor
from link.medium.ledger import LedgerError
from link.medium.profiles import PROFILES, UART_BYTES, LinkProfile, get_profile
from link.medium.regions import REGIONS, governor_for, never_speaks, rules_for
from link.medium.timing import LinkTiming

__all__ = [
    "PROFILES",
    "REGIONS",
    "UART_BYTES",
    "Governor",
    "LedgerError",
    "LinkProfile",
    "LinkTiming",
    "LoRaConfig",
    "UartConfig",
    "get_profile",
    "governor_for",
    "never_speaks",
    "rules_for",
]
