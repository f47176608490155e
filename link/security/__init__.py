"""Why nothing can be forged or repeated."""

from link.security import signature
from link.security.keys import (
    COUNTER_FILE,
    KEY_FILE,
    MAX_NODE,
    CounterStore,
    KeyHeldError,
    KeyStateError,
    parse_key,
    provision,
    read_key,
    read_master_key,
)
from link.security.team_keys import provision_team
