"""Personal: what a person wants of the system itself, checked: name, account, key."""

import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from device.flash.tools import FlashError
from link.settings import read_text

HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
PUBLIC_KEY = re.compile(r"(ssh|ecdsa|sk)-\S+ [A-Za-z0-9+/=]+( .*)?")


@dataclass(frozen=True)
class Personal:
    """What goes into the system's own settings."""

    hostname: str
    instance: str
    "New for each flash: cloud-init does its work once per instance."
    user: str = ""
    authorized_key: str = ""


def make_personal(
    node: int,
    hostname: str | None = None,
    user: str = "",
    ssh_key: Path | None = None,
    member: int | None = None,
) -> Personal:
    """FlashError with the sentence that says what cannot be. `member`: of a team, each of which is
    a machine of its own.
    """
    key = read_text(ssh_key, FlashError).strip() if ssh_key else ""
    if ssh_key and not PUBLIC_KEY.fullmatch(key):
        raise FlashError(f"{ssh_key} is no single public key; give the file that ends in .pub")
    if user and not ACCOUNT.fullmatch(user):
        raise FlashError(
            f"an account cannot be called {user!r}; take small letters and digits, a letter first"
        )
    if user and not key:
        raise FlashError("an account without an SSH key could never be entered; give SSH_KEY= too")
    hostname = hostname or f"latentlink-{node}"
    hostname = hostname if member is None else f"{hostname}-{member}"
    if not HOST_NAME.fullmatch(hostname):
        raise FlashError(
            f"a machine cannot be called {hostname!r}; take letters, digits and hyphens"
        )
    return Personal(hostname, f"latentlink-{node}-{secrets.token_hex(4)}", user, key)
