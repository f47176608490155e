"""Signature: which files of a bundle a node may run, as the host that provisioned it signed them
(Ed25519, RFC 8032).

signature.json lies beside the manifest and leaves the bundle's id as it is:

    {"format": 1, "bundle": id, "files": {name: SHA-256}, "signature": 64 bytes in hex}

The signature is over the words "latentlink bundle", a line feed and the canonical JSON of the other
three. Both keys are files with 64 hex digits; the secret one never leaves the host.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from link.base import durable
from link.bundle.bundle import Bundle, BundleError

SIGNATURE = "signature.json"
SIGNING_KEY, SIGNER = "bundle-signing.key", "bundle-signing.pub"
"Names of the key files at the host and at its nodes."
FORMAT = 1
CONTEXT = b"latentlink bundle\n"
KEY_BYTES = 32
MAX_BYTES = 1 << 16


class SignatureError(BundleError):
    """A bundle that this node must not run; the message says why and what to do."""


def make_key(path: Path) -> Ed25519PrivateKey:
    """The key in that file; one made there (0600) when there is none, or an empty file, as a full
    disk leaves it.
    """
    if not path.exists() or path.stat().st_size == 0:
        key = Ed25519PrivateKey.generate()
        durable.write(path, key.private_bytes_raw().hex() + "\n", mode=0o600)
    return read_key(path)


def read_key(path: Path) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(_read_key(path))


def signer_text(key: Ed25519PrivateKey) -> str:
    """The public half, as the node's file holds it."""
    return key.public_key().public_bytes_raw().hex() + "\n"


def sign(bundle_id: bytes, files: Mapping[str, bytes], key: Ed25519PrivateKey) -> bytes:
    """signature.json for these files of that bundle."""
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    signed = {"format": FORMAT, "bundle": bundle_id.hex(), "files": hashes}
    whole = signed | {"signature": key.sign(_message(signed)).hex()}
    return (json.dumps(whole, sort_keys=True, indent=1) + "\n").encode()


def check(bundle: Bundle, signer: Path) -> None:
    """Raise SignatureError unless the owner of that key signed these very files."""
    key = Ed25519PublicKey.from_public_bytes(_read_key(signer))
    signed = _read(bundle)
    try:
        key.verify(bytes.fromhex(signed.pop("signature")), _message(signed))
    except (InvalidSignature, KeyError, TypeError, ValueError, RecursionError):
        raise SignatureError(
            f"bundle {bundle.path} is not signed with this node's key ({signer}): deploy it from "
            "the host that flashed this node, or flash the node again"
        ) from None
    files = signed.get("files")
    if (
        signed.get("format") != FORMAT
        or signed.get("bundle") != bundle.id.hex()
        or not isinstance(files, dict)
    ):
        raise SignatureError(
            f"{SIGNATURE} of bundle {bundle.path} is for bundle {signed.get('bundle')}; deploy anew"
        )
    for name in sorted(
        {path.name for path in bundle.path.iterdir()} - {SIGNATURE}
        | {*bundle.node_files}
        | files.keys()
    ):
        path = bundle.path / name
        found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        if Path(name).name != name or found is None or found != files.get(name):
            raise SignatureError(
                f"{name} of bundle {bundle.path} is not what was signed; deploy the bundle again"
            )


def _read(bundle: Bundle) -> dict[str, Any]:
    path = bundle.path / SIGNATURE
    if not path.is_file():
        raise SignatureError(
            f"bundle {bundle.path} is not signed, and this node takes only signed ones; "
            "'make deploy-model' signs it"
        )
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"{path.stat().st_size} bytes")
        signed = json.loads(path.read_bytes())
        if not isinstance(signed, dict):
            raise ValueError("no JSON object")
    except (OSError, ValueError, RecursionError) as error:
        raise SignatureError(
            f"{SIGNATURE} of bundle {bundle.path} is damaged ({error}); deploy the bundle again"
        ) from None
    return signed


def _message(signed: Mapping[str, Any]) -> bytes:
    return CONTEXT + json.dumps(signed, sort_keys=True, separators=(",", ":")).encode()


def _read_key(path: Path) -> bytes:
    try:
        key = bytes.fromhex(durable.read_small(path).decode("ascii").strip())
    except OSError as error:
        raise SignatureError(
            f"{path} cannot be read ({error.strerror}), so no bundle can be trusted"
        ) from None
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise SignatureError(
            f"{path} holds no key: {2 * KEY_BYTES} hex digits are expected; put a copy of it back"
        )
    return key
