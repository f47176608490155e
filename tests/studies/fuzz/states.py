"""What an end finds on its disk after a power cut, or on a card that is failing: read, or set aside
with a sentence.

Half of the inputs get the checksum that belongs to them, so that not every change ends there.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from device.outbox.outbox import Outbox, open_outbox
from link.base import durable
from link.bundle.bundle import Bundle
from link.bundle.image_spec import ImageSpec
from link.bundle.manifest import ENCODER, TABLES
from link.coder.tables import Tables
from link.medium.ledger import StoredLedger
from link.security.keys import COUNTER_FILE, CounterStore, KeyStateError, provision
from link.security.signature import SIGNATURE, SignatureError, check, sign, signer_text
from tests.studies.fuzz.harness import Surroundings, Target
from tests.worlds.small_bundle import small_manifest

NODE = 7


def counters(around: Surroundings) -> Target:
    folder = around.folder / "keys"
    provision(folder, NODE)

    def read(path: Path) -> bool:
        with CounterStore(folder, NODE) as store:
            with suppress(KeyStateError):  # they may be used up
                assert store.next() >= 0
            return store.notice is None

    path = folder / COUNTER_FILE
    return _target(path, read, [path.read_bytes()], refusals=(KeyStateError,))


def ledger(around: Surroundings) -> Target:
    path = around.folder / "airtime.json"

    def opened() -> StoredLedger:
        return StoredLedger(
            path, window_s=3600.0, block_s=10.0, full_s=36.0, boot_id="boot", now_s=5000.0
        )

    first = opened()
    for number in range(4):
        first.charge(0.4, 4000.0 + 30 * number)

    def read(_: Path) -> bool:
        ledger = opened()
        ledger.charge(0.4, 5001.0)
        return ledger.notice is None

    return _target(path, read, [path.read_bytes()])


def outbox(around: Surroundings) -> Target:
    path = around.folder / "outbox.sqlite"
    first = Outbox(path, boot_id="boot")
    for image in range(6):
        first.put(image, [b"base", b"more"], captured_s=float(image))
    first.close()

    def read(_: Path) -> int:
        opened = open_outbox(path, boot_id="boot")
        opened.put(100, [b"base", b"more"], captured_s=1.0)
        chunks = [*opened.base_chunks(50), *opened.refinements(50)]
        opened.delivered([(chunk.image, chunk.index) for chunk in chunks[:1]])
        opened.close()
        return len(chunks) > 2

    return _target(path, read, [path.read_bytes()], is_text=False)


def signature(around: Surroundings) -> Target:
    """The signature of a bundle that somebody sends; only what was signed may pass."""
    folder = around.folder / "bundle"
    folder.mkdir()
    for name in (ENCODER, "decoder.onnx"):
        (folder / name).write_bytes(name.encode())
    Tables.from_counts([0], np.ones((1, 2))).to_npz(folder / TABLES)
    bundle = Bundle.write(folder, small_manifest(ImageSpec(2, 2, 1), 1, ["no"]))
    (folder / "decoder.onnx").unlink()
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    signer = around.folder / "signer.pub"
    signer.write_text(signer_text(key))
    signed = sign(bundle.id, {path.name: path.read_bytes() for path in folder.iterdir()}, key)

    def read(path: Path) -> bool:
        check(bundle, signer)
        assert _words(path.read_bytes()) == _words(signed)
        return True

    return _target(folder / SIGNATURE, read, [signed], refusals=(SignatureError,))


def _words(signed: bytes) -> dict[str, object]:
    """Hex digits may be small or capital."""
    words = json.loads(signed)
    return words | {"signature": bytes.fromhex(words["signature"])}


def _target(
    path: Path,
    read: Callable[[Path], object],
    seeds: list[bytes],
    refusals: tuple[type[Exception], ...] = (),
    is_text: bool = True,
) -> Target:
    def read_file(data: bytes) -> object:
        for other in path.parent.glob(f"{path.name}*"):
            other.unlink()
        path.write_bytes(data)
        if is_text and len(data) % 2:
            _sign(path, data)
        return read(path)

    interned_bytes = 4 << 20  # Python's table of file names grows by doubling
    return Target(
        read_file, seeds, refusals, is_text, kept_bytes=interned_bytes, peak_bytes=interned_bytes
    )


def _sign(path: Path, data: bytes) -> None:
    with suppress(ValueError, RecursionError):
        state = json.loads(data)
        if isinstance(state, dict):
            state.pop("checksum", None)
            durable.write_state(path, state)
