"""Mail: when a device asks, and what it makes of what it hears."""

from itertools import pairwise

import pytest

from link.node.interface import PartHeard
from tests.worlds.far_mail import FarMail


def test_a_device_asks_at_once_behind_its_update_and_then_ever_more_rarely(tmp_path):
    ends = FarMail(tmp_path)
    ends.mail.put(bytes(900), 0.0)
    ends.run(lambda: not ends.outbox.waiting() and ends.now_s > 1)
    asked = []
    ends.tap = lambda packet: asked.append(ends.now_s)
    ends.run(lambda: len(asked) == 5)
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert gaps == sorted(gaps)
    assert gaps[-1] > 2 * gaps[0]


def test_what_is_no_piece_is_refused_in_a_sentence(tmp_path):
    ends = FarMail(tmp_path)
    for content in (b"", b"1234567", bytes(4) + b"\xff" * 3 + bytes(6)):
        with pytest.raises(ValueError, match="update"):
            ends.mail.heard(PartHeard(content), 0.0)


def test_a_message_too_long_for_the_link_is_said(tmp_path):
    ends = FarMail(tmp_path, "lora-sf12-eu868")
    with pytest.raises(ValueError, match="take a link of longer packets"):
        ends.mail.put(bytes(200_000), 0.0)
