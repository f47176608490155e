"""Messages of a run: what is signed is taken, and nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from link.update import message
from link.update.message import Ask, Form, MessageError, Round, Update
from tests.worlds.training_run import LAYOUT, SERVER, SETTINGS, device_key, values

RUN, BASE, AFTER = SETTINGS.run_id, bytes(range(8)), bytes(range(8, 16))
UPDATE = Update(7, 2, 128, 1.25, Form.CODED, b"payload", 0b1011)
ROUND = Round(9, ((0, 9), (0, 5), (2, 8), (300, 9), (70_000, 9)), Form.CODED, b"delta", AFTER)
AWAY = Round(900, ((2, 3), (2, 880), (2, 900)), Form.WHOLE, b"weights", AFTER, is_snapshot=True)
KEY = device_key(2)
MAX_BYTES = 10_000


def read_round(packed: bytes, run: bytes = RUN, before: bytes = BASE) -> Round:
    return message.read_round(packed, run, before, SERVER.public_key(), MAX_BYTES)


def test_an_update_is_packed_and_read():
    packed = message.pack_update(UPDATE, RUN, BASE, KEY)
    assert len(packed) == len(UPDATE.payload) + message.UPDATE_OVERHEAD_BYTES
    assert message.read_update(packed, RUN, MAX_BYTES) == (UPDATE, BASE[:2])
    message.check_update(packed, RUN, BASE, KEY.public_key())


def test_what_surrounds_an_update_are_81_bytes():
    assert message.UPDATE_OVERHEAD_BYTES == 17 + 64


@pytest.mark.parametrize(
    ("round_", "before"), [(ROUND, BASE), (AWAY, message.addressee(2))], ids=["round", "snapshot"]
)
def test_the_servers_message_is_packed_and_read(round_, before):
    packed = message.pack_round(round_, RUN, before, SERVER)
    assert read_round(packed, before=before) == round_
    assert message.round_of(packed) == round_.round_
    overhead = message.round_overhead_bytes(round_.accepted, round_.round_)
    assert len(packed) == len(round_.payload) + overhead


def test_an_ask_is_packed_and_read():
    packed = message.pack_ask(Ask(3, 2), RUN, KEY)
    assert message.read_ask(packed, RUN) == Ask(3, 2)
    message.check_ask(packed, RUN, KEY.public_key())
    with pytest.raises(MessageError, match="signature is wrong"):
        message.check_ask(packed, RUN, device_key(1).public_key())


def test_an_accepted_update_of_a_neighbour_in_time_takes_a_byte():
    accepted = tuple((device, 4) for device in range(32))
    assert message.round_overhead_bytes(accepted, 4) == message.round_overhead_bytes((), 4) + 32


@pytest.mark.parametrize(
    ("run", "base", "signer"),
    [(bytes(8), BASE, KEY), (RUN, AFTER, KEY), (RUN, BASE, device_key(1))],
    ids=["another run", "other weights", "another device"],
)
def test_an_update_of_another_run_base_or_key_is_refused(run, base, signer):
    packed = message.pack_update(UPDATE, run, base, signer)
    assert take(packed) is None


def test_a_run_that_begins_with_the_same_two_bytes_is_refused_by_the_signature():
    other = RUN[:2] + bytes(6)
    packed = message.pack_update(UPDATE, other, BASE, KEY)
    message.read_update(packed, RUN, MAX_BYTES)
    with pytest.raises(MessageError, match="signature is wrong"):
        message.check_update(packed, RUN, BASE, KEY.public_key())
    told = message.pack_round(ROUND, other, BASE, SERVER)
    with pytest.raises(MessageError, match="signature is wrong"):
        read_round(told)


def test_a_round_of_other_weights_or_another_server_is_refused():
    with pytest.raises(MessageError, match="signature is wrong"):
        read_round(message.pack_round(ROUND, RUN, AFTER, SERVER))
    with pytest.raises(MessageError, match="signature is wrong"):
        read_round(message.pack_round(ROUND, RUN, BASE, KEY))


def test_no_kind_passes_for_another():
    """A device's signature under one kind of message is worth nothing under another."""
    packed = bytearray(message.pack_round(ROUND, RUN, bytes(8), SERVER))
    packed[0] = message.Kind.SNAPSHOT << 4 | packed[0] & 15
    with pytest.raises(MessageError, match="signature is wrong"):
        read_round(bytes(packed))


PACKED = (
    message.pack_update(UPDATE, RUN, BASE, KEY),
    message.pack_round(ROUND, RUN, BASE, SERVER),
    message.pack_round(AWAY, RUN, BASE, SERVER),
    message.pack_ask(Ask(3, 2), RUN, KEY),
)


def take(data: bytes) -> object:
    """As the receiver of that kind does; None where it is refused in a sentence."""
    try:
        match message.kind_of(data):
            case message.Kind.UPDATE:
                update = message.read_update(data, RUN, MAX_BYTES)
                message.check_update(data, RUN, BASE, KEY.public_key())
                return update
            case message.Kind.ASK:
                ask = message.read_ask(data, RUN)
                message.check_ask(data, RUN, KEY.public_key())
                return ask
            case message.Kind.SEVERAL:
                return message.read_several(data)
            case _:
                return read_round(data)
    except MessageError as refusal:
        sentence = str(refusal)
    assert len(sentence) > 20
    return None


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_a_sentence(data):
    taken = take(data)
    assert taken is None or isinstance(taken, list)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(PACKED), st.data())
def test_a_message_of_which_a_byte_is_changed_cut_or_added_is_refused(packed, data):
    at = data.draw(st.integers(0, len(packed) - 1))
    change = data.draw(st.sampled_from(["change", "cut", "add"]))
    if change == "change":
        other = data.draw(st.integers(1, 255))
        packed = packed[:at] + bytes([packed[at] ^ other]) + packed[at + 1 :]
    else:
        packed = packed[:at] if change == "cut" else packed + data.draw(st.binary(min_size=1))
    taken = take(packed)
    assert taken is None or packed[0] >> 4 == message.Kind.SEVERAL


@pytest.mark.parametrize("n", [MAX_BYTES + 1, 80])
def test_what_is_too_long_or_too_short_costs_no_signature(n):
    with pytest.raises(MessageError, match=f"a message of {n} bytes; of this kind it has from 81"):
        message.read_update(bytes([0x10]) + bytes(n - 1), RUN, MAX_BYTES)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=20))
def test_several_messages_are_one_and_come_out_again(messages):
    assert message.read_several(message.pack_several(messages)) == messages


def test_one_message_is_several_of_one():
    assert message.read_several(PACKED[1]) == [PACKED[1]]


def test_several_that_are_cut_off_or_too_many_are_refused():
    packed = message.pack_several([b"ab", b"cd"])
    for n in (2, len(packed) - 1, len(packed) - 4):
        with pytest.raises(MessageError, match="cut off"):
            message.read_several(packed[:n])
    many = message.pack_several([b""] * (message.MAX_SEVERAL + 1))
    with pytest.raises(MessageError, match="more than 256"):
        message.read_several(many)


@given(st.integers(0, 1 << 30))
def test_whole_weights_are_the_same_bit_for_bit(seed):
    weights = values(seed)
    weights[:3] = 0.0, -0.0, np.float32(1e-42)
    assert message.read_whole(message.pack_whole(weights), LAYOUT.size).tobytes() == (
        weights.tobytes()
    )


def test_whole_weights_are_never_inflated_beyond_their_size():
    bomb = message.pack_whole(np.zeros(1 << 22, np.float32))
    assert len(bomb) < 20_000
    with pytest.raises(MessageError, match="another length than 21632 bytes"):
        message.read_whole(bomb, LAYOUT.size)


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        (b"", "another length"),
        (b"garbage", "cannot be inflated"),
        (message.pack_whole(np.full(LAYOUT.size, np.nan, np.float32)), "not finite"),
        (message.pack_whole(values(1))[:-1], "another length"),
        (message.pack_whole(values(1)) + b"x", "another length"),
    ],
)
def test_what_are_no_weights_is_refused(payload, sentence):
    with pytest.raises(MessageError, match=sentence):
        message.read_whole(payload, LAYOUT.size)


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), 1e9])
def test_a_loss_that_is_no_number_is_told_as_the_largest(loss):
    update = Update(0, 0, 1 << 20, loss, Form.CODED, b"")
    packed = message.pack_update(update, RUN, BASE, KEY)
    read, _ = message.read_update(packed, RUN, MAX_BYTES)
    assert (read.loss, read.n_images) == (65504, 65535)
