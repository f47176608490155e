"""A second node, written from docs/wire-format.md alone: the real host must understand it, and it
the host.

Nothing of `link` seals, packs or reads on this side; numbers in brackets are sections of the
document.
"""

import math

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from link.coder import latent_coder
from link.host.interface import NodeEntry, StatusHeard, Update
from link.host.receiver import Receiver
from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from tests.worlds.ends import latent_of
from tests.worlds.small_bundle import make_bundle, random_symbols

NODE, KEY, SALT = 9, bytes(range(100, 116)), b"\x01\x02\x03\x04"
DATA, BATCH, STATUS, HELLO, REPORT = 0, 1, 3, 4, 5
SALT_FLAG, LISTEN, KNOWN = 1, 2, 4


def derive(salt: bytes, info: bytes) -> bytes:
    """[3]"""
    return HKDF(SHA256(), 16, salt=salt, info=info).derive(KEY)


def uplink(kind: int, counter: int, body: bytes, bundle_id: bytes = b"", flags: int = 0) -> bytes:
    """[2, 3]"""
    header = bytes([3 << 6 | kind << 3 | flags, NODE]) + (counter & 0xFFFF).to_bytes(2, "big")
    header += SALT + (counter >> 16).to_bytes(4, "big") if flags & SALT_FLAG else b""
    nonce = b"\x00" + NODE.to_bytes(2, "big") + SALT + counter.to_bytes(6, "big")
    cipher = AESCCM(
        derive(SALT, b"latentlink 3 uplink"), 8 if kind == HELLO or flags & SALT_FLAG else 4
    )
    return header + cipher.encrypt(
        nonce, body, header + (bundle_id if kind in (DATA, BATCH) else b"")
    )


def open_downlink(packet: bytes, host_salt: bytes, counter: int) -> tuple[int, int, bytes]:
    """[2, 3]: type, flags and body."""
    assert packet[0] >> 6 == 3
    assert packet[1] == NODE
    assert int.from_bytes(packet[2:4], "big") == counter
    end = 4 + 8 * (packet[0] & SALT_FLAG)
    nonce = b"\x01" + NODE.to_bytes(2, "big") + SALT + counter.to_bytes(6, "big")
    cipher = AESCCM(derive(SALT + host_salt, b"latentlink 3 downlink"), 8)
    return packet[0] >> 3 & 7, packet[0] & 7, cipher.decrypt(nonce, packet[end:], packet[:end])


def head(image: int, index: int, is_last: bool, counter: int, age_s: float = 0.0) -> bytes:
    """[4]"""
    age = bytes([min(254, round(12 * math.log2(1 + age_s)))]) if index == 0 else b""
    if counter - image < 1024:
        return ((image & 0x3FF) << 6 | is_last << 5 | index).to_bytes(2, "big") + age
    return (
        b"\x00\x1f" + (image & 0xFFFFFFFF).to_bytes(4, "big") + bytes([is_last << 7 | index]) + age
    )


@pytest.fixture
def bundle(tmp_path):
    return make_bundle(tmp_path / "bundle")


@pytest.fixture
def host(bundle):
    return Receiver(
        {NODE: NodeEntry(KEY, bundle)}, LinkTiming(get_profile("lora-sf7")), b"hostsalt"
    )


def hear(host, packet):
    """Outcomes, all of them stored."""
    outcomes = host.receive(packet, 0.0)
    for outcome in outcomes:
        assert outcome.counter is not None, outcome
        host.confirm(NODE, outcome.counter, [outcome.image] if isinstance(outcome, Update) else [])
    return outcomes


def said(host):
    downlink = host.next_packet(1.0)
    host.transmitted(1.0)
    return downlink.packet


def test_its_images_are_understood_in_every_form(host, bundle):
    symbols = [random_symbols(bundle.tables, seed) for seed in range(4)]
    streams = [latent_coder.encode(row, bundle.tables) for row in symbols]
    far = 70_000  # 16 bits of it are sent
    sent = [
        uplink(DATA, far, head(far - 1, 0, True, far, 3.0) + streams[0], bundle.id, SALT_FLAG),
        uplink(DATA, far + 1, head(far - 5000, 0, False, far + 1) + streams[1][:1], bundle.id),
        uplink(DATA, far + 2, head(far - 5000, 1, True, far + 2) + streams[1][1:], bundle.id),
        uplink(
            BATCH,
            far + 3,
            b"".join(
                head(far - 7 - i, 0, True, far + 3) + bytes([len(stream)]) + stream
                for i, stream in enumerate(streams[2:])
            ),
            bundle.id,
        ),
    ]
    updates = [outcome for packet in sent for outcome in hear(host, packet)]
    assert [(one.image, one.counter, one.is_complete) for one in updates] == [
        (far - 1, far, True),
        (far - 5000, far + 1, False),
        (far - 5000, far + 2, True),
        (far - 7, far + 3, True),
        (far - 8, far + 3, True),
    ]
    for update, row in zip([updates[0], *updates[2:]], symbols, strict=True):
        np.testing.assert_array_equal(latent_of(update).symbols, row)
    assert updates[0].age_s == pytest.approx(3.0, rel=0.06)


def test_it_reads_the_report_and_the_host_its_status(host, bundle):
    stream = latent_coder.encode(random_symbols(bundle.tables, 0), bundle.tables)
    hear(host, uplink(HELLO, 100, bundle.id, flags=SALT_FLAG))
    hear(host, uplink(DATA, 102, head(101, 0, False, 102) + stream[:1], bundle.id, SALT_FLAG))
    hear(host, uplink(DATA, 104, head(103, 0, True, 104) + stream, bundle.id, SALT_FLAG | LISTEN))
    packet = said(host)
    host_salt = packet[4:12]
    kind, flags, body = open_downlink(packet, host_salt, counter=0)
    assert (kind, flags) == (REPORT, SALT_FLAG | KNOWN)
    highest, received, enough = (int.from_bytes(body[i : i + 2], "big") for i in (0, 2, 4))
    assert (highest, received, enough, len(body)) == (104, 0b10101, 0b11, 8)
    assert (body[6], body[7]) == (0xFF, 31), (
        "neither quality nor advice, and no limit to its airtime"
    )

    # 7 images, the oldest 1 s old, no limit, 2 evicted, 9 heard, 1 not
    status = bytes([0, 7, 12, 255, 0, 2, 9, 1])
    [heard] = hear(host, uplink(STATUS, 105, status, flags=KNOWN | LISTEN))
    assert isinstance(heard, StatusHeard)
    told = heard.status
    assert (told.queue_images, told.oldest_age_s, told.budget_s) == (7, 1.0, None)
    assert (told.n_evicted, told.n_heard, told.n_bad) == (2, 9, 1)
    kind, flags, body = open_downlink(said(host), host_salt, counter=1)
    assert (kind, flags, body[:4]) == (REPORT, KNOWN, bytes([0, 105, 0, 0b101011])), (
        "salts are sent no more"
    )
