"""The seal against published vectors and an independent CCM, and the counting that its nonces rest
on.
"""

import hashlib
import hmac
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from hypothesis import given
from hypothesis import strategies as st

from link.security.seal import (
    REPLAY_WINDOW,
    Direction,
    ReplayWindow,
    Seal,
    downlink_key,
    nonce,
    possible_counters,
    reconstruct_counter,
    uplink_key,
)
from link.wire.packet import Flag, Header, PacketType, overhead_bytes

KEY = bytes(range(16))
BUNDLE = bytes.fromhex("3fa2c1d4e5f60718")
SALT = b"salt"
HEADER = Header(5, 0x1234)
COUNTER = 0x0000_0007_1234


def seal(key=KEY, node=5, salt=SALT, direction=Direction.UPLINK):
    return Seal(key, node, salt, direction)


def ccm(key, nonce_, aad, plaintext, tag_bytes):
    """CCM as RFC 3610 section 2 writes it, from single AES blocks; nonce of 13 bytes, L = 2."""

    def aes(block):
        encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
        return encryptor.update(block) + encryptor.finalize()

    def xor(a, b):
        return bytes(x ^ y for x, y in zip(a, b, strict=False))

    def padded(data):
        return data + bytes(-len(data) % 16)

    flags = 64 * bool(aad) + 8 * ((tag_bytes - 2) // 2) + 1
    mac = bytes(16)
    blocks = bytes([flags]) + nonce_ + len(plaintext).to_bytes(2, "big")
    blocks += padded(len(aad).to_bytes(2, "big") + aad) + padded(plaintext)
    for start in range(0, len(blocks), 16):
        mac = aes(xor(mac, blocks[start : start + 16]))
    stream = [aes(b"\x01" + nonce_ + i.to_bytes(2, "big")) for i in range(len(plaintext) // 16 + 2)]
    return xor(plaintext, b"".join(stream[1:])) + xor(mac, stream[0])[:tag_bytes]


RFC_3610_VECTOR_1 = {
    "key": "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf",
    "nonce_": "00000003020100a0a1a2a3a4a5",
    "aad": "0001020304050607",
    "plaintext": "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e",
}
RFC_3610_SEALED_1 = "588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0"


def test_the_oracle_and_the_library_reproduce_rfc_3610_packet_vector_1():
    vector = {name: bytes.fromhex(value) for name, value in RFC_3610_VECTOR_1.items()}
    assert ccm(**vector, tag_bytes=8).hex() == RFC_3610_SEALED_1
    library = AESCCM(vector["key"], 8).encrypt(vector["nonce_"], vector["plaintext"], vector["aad"])
    assert library.hex() == RFC_3610_SEALED_1


def test_the_library_reproduces_the_4_byte_tag_of_nist_sp_800_38c_example_1():
    key, nonce_ = bytes.fromhex("404142434445464748494a4b4c4d4e4f"), bytes.fromhex("10111213141516")
    sealed = AESCCM(key, 4).encrypt(nonce_, bytes.fromhex("20212223"), bytes(range(8)))
    assert sealed.hex() == "7162015b4dac255d"


@pytest.mark.parametrize("n_bytes", [0, 1, 15, 16, 17, 40, 247])
@pytest.mark.parametrize(("kind", "n_tag"), [(PacketType.DATA, 4), (PacketType.REPORT, 8)])
def test_a_packet_is_header_and_ccm_over_the_drawn_nonce_and_associated_data(n_bytes, kind, n_tag):
    body = bytes(i % 256 for i in range(n_bytes))
    drawn_nonce = bytes.fromhex("000005") + SALT + bytes.fromhex("000000071234")
    header = Header(5, 0x1234, kind)
    expected = header.pack() + ccm(KEY, drawn_nonce, header.pack() + BUNDLE, body, n_tag)
    assert seal().seal(header, COUNTER, body, BUNDLE) == expected
    assert len(expected) == n_bytes + overhead_bytes(kind)


def test_a_nonce_holds_direction_node_salt_and_counter():
    assert (
        nonce(Direction.DOWNLINK, 0x0102, SALT, 0x0A0B0C0D0E0F).hex()
        == "010102" + SALT.hex() + "0a0b0c0d0e0f"
    )


def test_a_node_s_salt_brings_its_whole_counter_and_a_long_tag():
    header = Header(5, 0x1234, PacketType.DATA, Flag.SALT, SALT)
    clear = header.pack()[:-4] + bytes.fromhex("00000007")
    expected = clear + ccm(
        KEY, bytes.fromhex("000005") + SALT + bytes.fromhex("000000071234"), clear + BUNDLE, b"b", 8
    )
    packet = seal().seal(header, COUNTER, b"b", BUNDLE)
    assert packet == expected
    assert Header.unpack(packet).counter == COUNTER
    assert len(packet) == 1 + overhead_bytes(PacketType.DATA) + 12


@given(
    st.binary(max_size=247),
    st.integers(0, (1 << 48) - 1),
    st.sampled_from(PacketType),
    st.booleans(),
)
def test_what_was_sealed_opens(body, counter, kind, has_salt):
    salt = (SALT if kind.is_uplink else bytes(8)) if has_salt else b""
    header = Header(5, counter & 0xFFFF, kind, Flag.SALT if has_salt else 0, salt)
    packet = seal().seal(header, counter, body, BUNDLE)
    assert seal().open(packet, Header.unpack(packet), counter, BUNDLE) == body
    assert len(packet) == len(body) + overhead_bytes(kind, has_salt)


def test_nothing_opens_when_one_thing_differs():
    packet = seal().seal(HEADER, COUNTER, b"body", BUNDLE)
    good: dict[str, Any] = {
        "packet": packet,
        "header": HEADER,
        "counter": COUNTER,
        "bundle_id": BUNDLE,
    }
    assert seal().open(**good) == b"body"
    assert seal(key=bytes(16)).open(**good) is None
    assert seal(node=6).open(**good) is None
    assert seal(salt=b"SALT").open(**good) is None
    assert seal(direction=Direction.DOWNLINK).open(**good) is None
    assert seal().open(**good | {"counter": COUNTER + 1}) is None
    assert seal().open(**good | {"bundle_id": bytes(8)}) is None
    for position in range(len(packet)):
        damaged = packet[:position] + bytes([packet[position] ^ 1]) + packet[position + 1 :]
        assert seal().open(**good | {"packet": damaged}) is None
        assert seal().open(**good | {"packet": packet[:position]}) is None


def test_counters_that_cannot_be_do_not_open():
    packet = seal().seal(HEADER, 0, b"body")
    assert seal().open(packet, HEADER, 1 << 48) is None
    assert seal().open(packet, HEADER, -1) is None


def test_the_keys_are_hkdf_sha256_of_both_salts_and_differ_by_purpose():
    for derived, salt, purpose in (
        (uplink_key(KEY, SALT), SALT, b"latentlink 3 uplink"),
        (downlink_key(KEY, SALT, b"the host"), SALT + b"the host", b"latentlink 3 downlink"),
    ):
        extracted = hmac.digest(salt, KEY, hashlib.sha256)
        assert derived == hmac.digest(extracted, purpose + b"\x01", hashlib.sha256)[:16]


def test_a_key_of_another_length_is_refused():
    with pytest.raises(ValueError, match="key has 15 bytes, a node's key has 16"):
        uplink_key(bytes(15), SALT)


@given(st.integers(-1, (1 << 48) - 1), st.integers(-(2**15) + 1, 2**15))
def test_a_counter_is_found_within_half_a_wrap_of_the_highest(highest, distance):
    counter = highest + distance
    if counter >= 0:
        assert reconstruct_counter(counter & 0xFFFF, highest) == counter


@given(st.integers(0, 0xFFFF), st.integers(-1, 1 << 48))
def test_a_found_counter_has_the_low_bits_and_is_not_negative(low16, highest):
    counter = reconstruct_counter(low16, highest)
    assert counter & 0xFFFF == low16
    assert counter >= 0


def test_counting_goes_on_across_the_16_bit_wrap():
    assert reconstruct_counter(0xFFFF, 0xFFFE) == 0xFFFF
    assert reconstruct_counter(0x0000, 0xFFFF) == 0x10000
    assert reconstruct_counter(0xFFFF, 0x10000) == 0xFFFF
    assert reconstruct_counter(0x0003, 0x5FFFE) == 0x60003


def test_the_nearest_counter_is_tried_first_and_then_later_wraps_only():
    assert possible_counters(0x1234, highest=0x71000) == [
        wrap << 16 | 0x1234 for wrap in range(7, 23)
    ]
    assert possible_counters(0x1234, highest=-1) == [wrap << 16 | 0x1234 for wrap in range(16)]


@given(st.integers(-1, 200), st.lists(st.integers(0, 400), max_size=60))
def test_a_window_accepts_each_counter_once_and_nothing_older_than_itself(stored_highest, arrivals):
    window = ReplayWindow(stored_highest)
    highest, received = stored_highest, set(range(stored_highest + 1))
    for counter in arrivals:
        is_new = counter not in received and counter > highest - REPLAY_WINDOW
        assert window.is_new(counter) == is_new
        if is_new:
            window.mark(counter)
            received.add(counter)
            highest = max(highest, counter)
            assert window.highest == highest


def test_a_window_lets_late_packets_in_once():
    window = ReplayWindow()
    window.mark(100)
    assert window.is_new(37)
    assert not window.is_new(36)
    window.mark(37)
    assert not window.is_new(37)
    assert window.is_new(38)


def test_a_window_goes_on_from_what_was_stored_of_it():
    window = ReplayWindow()
    for counter in (3, 7, 90, 88):
        window.mark(counter)
    again = ReplayWindow(window.highest, window.received)
    assert [counter for counter in range(27, 95) if again.is_new(counter)] == [
        counter for counter in range(27, 95) if window.is_new(counter)
    ]
