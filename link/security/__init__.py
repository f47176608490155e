"""Why nothing can be forged or repeated."""

from link.security.keys import (
    COUNTER_FILE,
    KEY_FILE,
    MAX_NODE,
    CounterStore,
    KeyHeldError,
    KeyStateError,
    parse_key,
    provision,
    read_master_key,
)
from link.security.signature import (
    SIGNATURE,
    SIGNER,
    SIGNING_KEY,
    SignatureError,
    check_signature,
    make_signing_key,
    read_signing_key,
    sign,
    signer_text,
)

__all__ = [
    "COUNTER_FILE",
    "KEY_FILE",
    "MAX_NODE",
    "SIGNATURE",
    "SIGNER",
    "SIGNING_KEY",
    "CounterStore",
    "KeyHeldError",
    "KeyStateError",
    "SignatureError",
    "check_signature",
    "make_signing_key",
    "parse_key",
    "provision",
    "read_master_key",
    "read_signing_key",
    "sign",
    "signer_text",
]
