"""Revocation: keys that this host never takes again, whatever file they come back in.

    revoked.json in the host folder: of each key a digest, its node, and the day

A lost card's key may lie in a backup of the host folder, or in a host.toml that a person wrote; its
digest stays here, so that the number can be given to another card.
"""

import hashlib
from pathlib import Path

from host_decoder.errors import ConfigError
from link.base import durable

FILE = "revoked.json"
FORMAT = 1
DOMAIN = b"latentlink revoked key"
SECRET = 0o600


def digest(key: bytes) -> str:
    """By which a key is known again that is not kept."""
    return hashlib.sha256(DOMAIN + key).hexdigest()


def read_revoked(folder: Path) -> dict[str, tuple[int, str]]:
    """Node and day by the digest of each revoked key; ConfigError when the file cannot be read."""
    path = folder / FILE
    try:
        keys = durable.read_state(path, FORMAT)["keys"]
        return {known: (int(node), str(day)) for known, (node, day) in keys.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path} cannot be read ({error}): which keys are revoked is not known; put a copy of "
            "it back, or remove it and retire the lost nodes again"
        ) from None


def revoke(folder: Path, key: bytes, node: int, day: str) -> None:
    """On the disk when it returns."""
    keys = read_revoked(folder) | {digest(key): (node, day)}
    durable.write_state(folder / FILE, {"format": FORMAT, "keys": keys})
    (folder / FILE).chmod(SECRET)
