"""Signing: a bundle as a node takes it, with a canary and the signature of the host that flashed
the node.

The key is made at the first flashing, in keys/ beside host.toml, readable by its owner only. A host
that is to send bundles to nodes which another one flashed needs a copy of it.
"""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from device.encoder.canary import CANARY, make_canary
from device.encoder.edgetpu import COMPILED
from device.flash.tools import FlashError
from link.base import durable
from link.bundle import Bundle
from link.security import signature
from link.settings import host_folder


def key_path(host: Path) -> Path:
    return host.parent / host_folder.KEYS / signature.SIGNING_KEY


def signing_key(host: Path, may_make: bool = False) -> Ed25519PrivateKey:
    """The key of the host with that host.toml; FlashError when there is none."""
    path = key_path(host)
    try:
        if not may_make:
            return signature.read_key(path)
        durable.make_folder(path.parent, 0o700)
        return signature.make_key(path)
    except signature.SignatureError as error:
        raise FlashError(
            f"{error}; nodes take bundles that the host which flashed them has signed: copy its "
            f"{signature.SIGNING_KEY} there"
        ) from None


def signed_files(bundle: Bundle, key: Ed25519PrivateKey) -> dict[str, bytes]:
    """Every file of a bundle that a node is sent, by its name."""
    names = [*bundle.node_files, *(name for name in (COMPILED,) if (bundle.path / name).exists())]
    files = {name: (bundle.path / name).read_bytes() for name in names} | {
        CANARY: make_canary(bundle)
    }
    return files | {signature.SIGNATURE: signature.sign(bundle.id, files, key)}
