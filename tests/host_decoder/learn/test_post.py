"""Post and mail, the two ends of a learning device's link, on a virtual channel."""

import sqlite3
from collections.abc import Callable
from random import Random

import pytest

from host_decoder.events import Notice
from tests.worlds.far_mail import DEVICE, NODE, FarMail

UPDATE, ROUND = Random(0).randbytes(3760), Random(1).randbytes(2690)
"As long as the usual recipe's."


def tell(ends: FarMail, message: bytes) -> bytes:
    return ends.post.exchange(DEVICE, message, ends.now_s)


def later(ends: FarMail, seconds: float) -> Callable[[], bool]:
    until_s = ends.now_s + seconds
    return lambda: ends.now_s >= until_s or bool(ends.said)


@pytest.mark.parametrize(
    ("profile", "region", "loss"),
    [
        ("lora-sf7", "eu868", 0.3),
        ("lora-sf9-us915", "us915", 0.1),
        ("lora-sf12", "eu868", 0.0),
        ("serial-9600", "wire", 0.3),
    ],
)
def test_a_message_down_and_an_update_up_come_whole_whatever_is_lost(
    tmp_path, profile, region, loss
):
    ends = FarMail(tmp_path, profile, region, loss, answer=lambda message: UPDATE)
    assert tell(ends, ROUND) == b"", "it has not said anything yet"
    ends.run(lambda: bool(ends.said))
    assert [message for _, message in ends.came] == [ROUND]
    assert [said for _, said in ends.said] == [UPDATE]
    assert tell(ends, ROUND) == UPDATE
    ends.run(lambda: ends.post._boxes[NODE].letters.told == b"")
    assert tell(ends, ROUND) == UPDATE, "what was delivered is not told again"
    assert ends.post._boxes[NODE].letters.told == b""
    ends.run(lambda: ends.outbox.waiting() <= {ends.mail._asking})


def test_kills_of_both_ends_cost_time_and_lose_nothing(tmp_path):
    ends, random = FarMail(tmp_path, loss=0.2, answer=lambda message: UPDATE), Random(3)
    tell(ends, ROUND)
    for number in range(12):
        ends.run(later(ends, random.uniform(0.1, 30)))
        ends.start_device() if number % 2 else ends.start_gateway()
    ends.run(lambda: bool(ends.said))
    assert ends.said[-1][1] == UPDATE
    assert {message for _, message in ends.came} == {ROUND}


def test_what_the_server_says_while_one_is_under_way_waits_until_the_device_has_spoken(tmp_path):
    ends = FarMail(tmp_path)
    tell(ends, ROUND)
    tell(ends, ROUND + b"and more")
    ends.run(lambda: ends.post._boxes[NODE].letters.delivered != b"")
    tell(ends, ROUND + b"and more")
    assert ends.post._boxes[NODE].letters.told == b""
    ends.mail.put(UPDATE[:50], ends.now_s)
    ends.run(lambda: bool(ends.said))
    tell(ends, UPDATE)
    ends.run(lambda: len(ends.came) == 2)
    assert [message for _, message in ends.came] == [ROUND, UPDATE]


def test_a_full_disk_loses_nothing_and_is_told_once(tmp_path, monkeypatch):
    ends = FarMail(tmp_path)
    ends.mail.put(UPDATE, 0.0)
    keep = ends.post._store.keep
    sentences: list[str] = []

    def full(*arguments):
        raise sqlite3.OperationalError("database or disk is full")

    receive = ends.post.receive

    def receiving(*arguments):
        notices = [each for each in receive(*arguments) if isinstance(each, Notice)]
        sentences.extend(each.sentence for each in notices)

    monkeypatch.setattr(ends.post, "receive", receiving)
    monkeypatch.setattr(ends.post._store, "keep", full)
    ends.run(lambda: ends.now_s > 20)
    assert ends.said == []
    monkeypatch.setattr(ends.post._store, "keep", keep)
    ends.run(lambda: bool(ends.said))
    assert ends.said[0][1] == UPDATE
    assert [sentence for sentence in sentences if "cannot be stored" in sentence] == [
        "what comes cannot be stored (database or disk is full); free some room"
    ]


def test_a_device_of_another_run_is_told_of_and_keeps_its_update(tmp_path, monkeypatch):
    ends = FarMail(tmp_path)
    sentences: list[str] = []
    receive = ends.post.receive

    def receiving(*arguments):
        sentences.extend(each.sentence for each in receive(*arguments))  # type: ignore[union-attr]

    monkeypatch.setattr(ends.post, "receive", receiving)
    ends.run_of_device = b"another."
    ends.start_device()
    ends.mail.put(UPDATE, 0.0)
    waiting = ends.outbox.waiting()
    ends.run(lambda: ends.now_s > 3600)
    assert ends.outbox.waiting() >= waiting
    assert ends.said == []
    assert sum("learns in another run" in sentence for sentence in sentences) == 1


def test_a_device_that_waits_for_word_takes_a_fiftieth_of_its_airtime(tmp_path):
    ends = FarMail(tmp_path, "lora-sf12")
    ends.run(lambda: ends.now_s > 6 * 3600)
    share = ends.airtime_s["up"] / ends.now_s
    allowed = ends._governor().share
    assert allowed is not None
    assert share < 2 * 0.02 * allowed


def test_a_stranger_moves_nothing(tmp_path):
    ends = FarMail(tmp_path)
    tell(ends, ROUND)
    random = Random(4)
    recorded: list[bytes] = []
    ends.tap = recorded.append
    ends.run(lambda: len(ends.came) == 1)
    ends.run(lambda: ends.post._boxes[NODE].letters.told == b"")
    tell(ends, UPDATE)
    letters = ends.post._boxes[NODE].letters
    for packet in recorded:
        ends.post.receive(packet, ends.now_s + 9999)
        changed = bytearray(packet)
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
        ends.post.receive(bytes(changed), ends.now_s + 9999)
    assert ends.post._boxes[NODE].letters == letters
