"""A member's modem: it sends in its turn, keeps what others send, and forgets what has arrived."""

import threading
import time
from contextlib import ExitStack, closing

import pytest

from device.config import load_config
from device.fog.uplink import MAX_ORDERS, Uplink
from device.link_end import LinkEnd
from device.outbox.queues import open_queues
from link.base.clock import boot_s
from link.security.keys import CounterStore, KeyStateError, read_master_key
from tests.device.test_link_end import Port
from tests.worlds.team import wait_until
from tests.worlds.virtual_node import Told

IMAGE = 1 << 40


@pytest.fixture
def make_uplink(home):
    """Makes the uplink of a node that nobody answers; of a process that ends, none is closed."""
    opened = ExitStack()

    def make(say=print):
        config = load_config(home.config(link="downlink = false"))
        counters = opened.enter_context(CounterStore(config.key_dir, config.node))
        queues = [opened.enter_context(closing(one)) for one in open_queues(config, home.bundle.id)]
        key, port = read_master_key(config.key_dir), Port()
        link = LinkEnd(config, key, counters, queues, port, Told())  # type: ignore[arg-type]
        counters.advance_to(IMAGE + 9)
        return opened.enter_context(closing(Uplink(link, say))), port, link

    with opened:
        yield make


def put(uplink, image):
    told: list[int] = []
    uplink.put(image, b"bitstream", boot_s(), told.append)
    wait_until(lambda: bool(told), 5.0)
    return told


def test_what_another_sends_is_kept_and_sent_when_the_turn_comes(make_uplink):
    uplink, port, link = make_uplink()
    assert put(uplink, IMAGE) == [1]
    assert link.turns.waiting() == {IMAGE}
    assert port.packets == []
    assert not uplink.is_done
    uplink.speaks = True
    wait_until(lambda: uplink.take_settled() == [IMAGE], 5.0)
    assert len(port.packets) == 1
    assert uplink.newest_counter > IMAGE
    assert uplink.is_done


def test_what_the_host_has_by_another_is_forgotten(make_uplink):
    uplink, port, link = make_uplink()
    put(uplink, IMAGE)
    put(uplink, IMAGE + 1)
    uplink.forget([IMAGE, IMAGE - 1])
    wait_until(lambda: uplink.take_settled() == [IMAGE], 5.0)
    assert link.turns.waiting() == {IMAGE + 1}
    assert port.packets == []


def test_a_full_card_keeps_nobody_from_his_work_and_is_tried_again(make_uplink, monkeypatch):
    told: list[str] = []
    uplink, _, link = make_uplink(told.append)

    def full(*_, **__):
        raise OSError("the card is full")

    with monkeypatch.context() as patch:
        patch.setattr(link, "put", full)
        uplink.put(IMAGE, b"bitstream", boot_s(), print)
        wait_until(lambda: not uplink.is_well(boot_s()), 20.0)
    assert told == ["the card is full; it is tried again, and meanwhile another modem has to speak"]
    put(uplink, IMAGE + 1)
    assert link.turns.waiting() == {IMAGE + 1}
    assert uplink.is_well(boot_s())


def test_what_waits_for_a_modem_that_hangs_is_bounded(make_uplink, monkeypatch):
    uplink, _, link = make_uplink()
    may_go_on = threading.Event()
    faults: list[str] = []
    monkeypatch.setattr(link, "end_transmission", lambda now_s: may_go_on.wait(60.0))
    monkeypatch.setattr(link, "tell", faults.append)
    time.sleep(0.1)
    for number in range(3 * MAX_ORDERS):
        uplink.put(IMAGE + number, b"bitstream", boot_s())
        uplink.forget([IMAGE + number])
        uplink.tell(f"fault {number}")
    assert uplink._orders.qsize() <= MAX_ORDERS
    assert len(uplink._forgotten) <= MAX_ORDERS
    may_go_on.set()
    wait_until(lambda: faults == [f"fault {3 * MAX_ORDERS - 1}"], 60.0)


def test_a_failure_reaches_who_asks(make_uplink, monkeypatch):
    uplink, _, link = make_uplink()

    def held(*_, **__):
        raise KeyStateError("the key is another's")

    monkeypatch.setattr(link, "put", held)
    uplink.put(IMAGE, b"bitstream", boot_s(), print)

    def has_failed():
        try:
            uplink.is_well(boot_s())
        except KeyStateError as error:
            return str(error) == "the key is another's"
        return False

    wait_until(has_failed, 5.0)
