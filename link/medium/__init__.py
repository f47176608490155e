"""How long a frame takes, and how often one may speak."""

from link.medium.airtime import LoRaConfig
from link.medium.governor import Governor
from link.medium.ledger import LedgerError
from link.medium.profiles import PROFILES, LinkProfile, get_profile, serial_profile
from link.medium.regions import REGIONS, governor_for, never_speaks, rules_for
from link.medium.timing import LinkTiming
