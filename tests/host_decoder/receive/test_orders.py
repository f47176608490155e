"""What people ask of nodes is told when these listen, by the loop that speaks with them."""

import pytest

from host_decoder.errors import HostError
from host_decoder.receive.host import Host
from host_decoder.receive.orders import MOST, ORDERS, Orders
from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from link.wire.control import AskStatus, Report
from link.wire.packet import Flag
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import NODE, SmallNode

TIMING = LinkTiming(get_profile("lora-sf7"))


def test_a_node_is_told_when_it_listens_next(node_entry, store, bundle):
    host, node, orders = Host([node_entry], store, timing=TIMING), SmallNode(bundle), Orders()
    orders.put(NODE, "status")
    orders.put(NODE, "status")
    orders.put(99, "renew")
    orders.give(host)
    assert host.next_packet(0.0) is None
    [packet] = node.packets(random_symbols(bundle.tables, 1), flags=Flag.LISTEN)
    host.receive(packet, 1.0)
    heard = []
    while (downlink := host.next_packet(1.0 + TIMING.turnaround_s)) is not None:
        host.transmitted(1.0)
        heard.append(node.hear(downlink.packet))
    assert [one for one in heard if not isinstance(one, Report)] == [AskStatus()]


def test_so_many_wait_and_no_more():
    orders = Orders()
    for node in range(MOST):
        orders.put(node, next(iter(ORDERS)))
    with pytest.raises(HostError, match="busy"):
        orders.put(MOST, "status")
