"""What the monitor shows of packets in clear, sealed and opened, and what its commands do at a
port.
"""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link.lorawan.wire import Greeting, pack_chunk, uplink_packet
from link.medium.profiles import get_profile
from link.monitor.monitor import Monitor, table
from link.security.seal import Direction, Seal, downlink_key, uplink_key
from link.wire.control import Hello, Quality, Report, Status
from link.wire.packet import Chunk, Flag, Header, PacketType

KEY = bytes(range(16))
BUNDLE_ID = b"bundleid"
SALT, HOST_SALT = b"salt", b"hostsalt"
UP = Seal(uplink_key(KEY, SALT), 7, SALT, Direction.UPLINK)
DOWN = Seal(downlink_key(KEY, SALT, HOST_SALT), 7, SALT, Direction.DOWNLINK)


def data(counter, image=0, index=0, has_salt=False, seal=UP, salt=SALT):
    flags, sent_salt = (Flag.SALT, salt) if has_salt else (0, b"")
    header = Header(7, counter & 0xFFFF, PacketType.DATA, flags, sent_salt)
    return seal.seal(
        header, counter, Chunk(image, index, index == 2, b"bits", 1.0).pack(counter), BUNDLE_ID
    )


def control(packet_type, body, counter, is_uplink=True, has_salt=True):
    salt = (SALT if is_uplink else HOST_SALT) if has_salt else b""
    header = Header(7, counter & 0xFFFF, packet_type, Flag.SALT * bool(salt), salt)
    return (UP if is_uplink else DOWN).seal(header, counter, body)


def test_without_a_key_headers_and_losses_are_seen():
    monitor = Monitor(airtime_s=lambda n_bytes: 0.05)
    for counter in (70_000, 70_001, 70_004, 70_004):
        line = monitor.hear(data(counter, image=counter - 1), counter / 1000, Quality(5.0, -80.0))
    assert line.text == "counter 4468, again"
    shown = "70.004 node 7 DATA 15 B +5.0 dB -80 dBm counter 4468, again"
    assert str(line).split() == shown.split()
    figures = monitor.statistics[7]
    assert (figures.n_received, figures.losses.n, figures.n_duplicate) == (3, 2, 1)
    assert figures.airtime_s == pytest.approx(0.15)
    assert monitor.hear(data(70_005), 71.0).text == "counter 4469, sealed"


def test_with_key_and_bundle_bodies_open_from_the_first_salt_on():
    monitor = Monitor({7: KEY}, [b"otherone", BUNDLE_ID])
    assert monitor.hear(data(1), 0.0).text == "counter 1, sealed"
    text = monitor.hear(control(PacketType.HELLO, Hello(BUNDLE_ID, True, True).pack(), 2), 0.0).text
    assert text == f"[salt] counter 2, bundle {BUNDLE_ID.hex()}, wants time and a slot"
    assert monitor.hear(data(4, image=3), 0.0).text == "counter 4, image 3 chunk 0, 4 B, 1.0 s old"
    assert (
        monitor.hear(data(6, image=3, index=2), 0.0).text
        == "counter 6, image 3 chunk 2 (last), 4 B"
    )
    status = Status(5, 10.0, 3.0, 2, fault="no port")
    text = monitor.hear(control(PacketType.STATUS, status.pack(), 7), 0.0).text
    assert "5 images wait, budget" in text
    assert text.endswith("2 evicted; CAPTURES NOTHING: no port")
    figures = monitor.statistics[7]
    assert figures.status is not None
    assert (figures.status.queue_images, figures.n_bad_tag, dict(figures.losses.by_chunk)) == (
        5,
        0,
        {1: 1},
    )
    assert "does not open" in monitor.hear(data(8)[:-1] + b"x", 0.0).text
    assert figures.n_bad_tag == 1
    foreign = monitor.hear(b"\x40\x07\x00\x00", 0.0)
    assert foreign.node is None
    assert "wire" in foreign.text


def test_what_the_host_says_opens_too():
    monitor = Monitor({7: KEY}, [BUNDLE_ID])
    report = Report(4, 0b11101, 0b1, budget_s=30.0)
    assert (
        monitor.hear(control(PacketType.REPORT, report.pack(), 0, is_uplink=False), 0.0).text
        == "[salt] sealed"
    )
    for counter in range(5):
        monitor.hear(data(counter, has_salt=not counter), 0.0)
    text = monitor.hear(control(PacketType.REPORT, report.pack(), 0, is_uplink=False), 0.0).text
    assert text.startswith("[salt] all up to 4 but [3], enough for the newest chunks [0], budget ")
    later = control(PacketType.REPORT, report.pack(), 1, is_uplink=False, has_salt=False)
    assert monitor.hear(later, 0.0).text.startswith("all up to 4 but [3]")
    assert monitor.statistics[7].n_downlink == 3


def report(counter, **said):
    has_salt = not counter
    return control(
        PacketType.REPORT, Report(**said).pack(), counter, is_uplink=False, has_salt=has_salt
    )


def test_verdicts_are_counted_with_the_chunks_that_they_took_and_how_long_they_needed():
    monitor = Monitor({7: KEY}, [BUNDLE_ID])
    monitor.hear(data(2, image=0, has_salt=True), 0.0)
    monitor.hear(data(3, image=1), 1.0)
    monitor.hear(data(4, image=0, index=1), 2.0)
    monitor.hear(report(0, highest=4, received=0b111, enough=0b001), 3.0)  # of packet 4: image 0
    monitor.hear(data(5, image=0, index=2), 5.0)
    monitor.hear(report(1, highest=5, received=0b1111, enough=0b0111), 6.0)  # images 0, 0 and 1
    figures = monitor.statistics[7]
    assert dict(figures.chunks_at_decision) == {1: 1, 2: 1}
    assert (figures.mean_stop_latency_s, figures.n_chunks_unneeded) == (1.0, 1)
    heading, row, *_ = table(monitor.statistics)
    assert row[heading.index("chunks at stop") :].split()[:3] == ["1.5", "1.0", "s"]


def test_verdicts_on_what_was_not_heard_here_are_left_out():
    monitor = Monitor({7: KEY}, [BUNDLE_ID])
    monitor.hear(data(2, image=0, has_salt=True), 0.0)
    monitor.hear(data(4, image=1), 1.0)
    monitor.hear(report(0, highest=4, received=0b111, enough=0b110), 2.0)  # of packets 3 and 2
    assert not monitor.statistics[7].chunks_at_decision
    text = monitor.hear(report(1, highest=9, received=0b11), 3.0).text
    assert text.startswith("all up to 9 but"), "the host may hear more than the monitor"


def test_a_new_start_of_the_node_is_seen():
    monitor = Monitor({7: KEY}, [BUNDLE_ID])
    monitor.hear(data(1, has_salt=True), 0.0)
    other = Seal(uplink_key(KEY, b"TLAS"), 7, b"TLAS", Direction.UPLINK)
    monitor.hear(data(65, has_salt=True, seal=other, salt=b"TLAS"), 0.0)
    figures = monitor.statistics[7]
    assert (figures.n_restarts, figures.losses.n, figures.n_received) == (1, 0, 2)


def test_lorawan_bodies_are_in_clear():
    monitor = Monitor()
    hello = Greeting(BUNDLE_ID, 90_000).pack()
    text = monitor.hear(uplink_packet(3, b"addr", 0, PacketType.HELLO, hello), 0.0).text
    assert text == f"[salt] counter 0, bundle {BUNDLE_ID.hex()}, images near 90000"
    body = pack_chunk(Chunk(90_002, 0, True, b"bits", 1.0))
    for counter in (1, 2, 4):
        text = monitor.hear(uplink_packet(3, b"addr", counter, PacketType.DATA, body), 0.0).text
    assert text == "[salt] counter 4, image 90002 chunk 0 (last), 4 B, 1.5 s old"
    monitor.hear(uplink_packet(3, b"new!", 0, PacketType.DATA, body), 0.0)
    assert (
        "has 1 bytes" in monitor.hear(uplink_packet(3, b"new!", 1, PacketType.DATA, b"x"), 0.0).text
    )
    figures = monitor.statistics[3]
    assert (figures.losses.n, figures.n_restarts, figures.n_malformed, figures.n_images) == (
        1,
        1,
        1,
        1,
    )


@given(st.lists(st.binary(max_size=60), max_size=10), st.booleans())
def test_whatever_comes_gives_a_line(packets, has_key):
    monitor = Monitor(dict.fromkeys(range(256), KEY) if has_key else {}, [BUNDLE_ID])
    for packet in packets:
        assert str(monitor.hear(packet, 0.0))
    assert table(monitor.statistics)


@pytest.mark.parametrize("packet", [bytes([0xC0, 7]) + bytes(254), bytes([0x01, 7]) + bytes(250)])
def test_what_is_longer_than_any_frame_of_its_kind_is_foreign(packet):
    monitor = Monitor(airtime_s=get_profile("lora-sf7").airtime_s)
    foreign = monitor.hear(packet, 0.0)
    assert foreign.node is None
    assert "more than fit a frame" in foreign.text


def test_damaged_packets_of_ours_give_a_line():
    random, monitor = Random(1), Monitor({7: KEY}, [BUNDLE_ID])
    for counter in range(300):
        packet = bytearray(data(counter, has_salt=counter % 3 == 0))
        packet[random.randrange(len(packet))] ^= 1 << random.randrange(8)
        assert str(monitor.hear(bytes(packet), 0.0))
    assert all(len(node.sessions) <= 4 for node in monitor._nodes.values())


def test_the_table_has_a_row_for_each_node():
    monitor = Monitor({7: KEY}, [BUNDLE_ID])
    for counter in (1, 2, 4):
        monitor.hear(
            data(counter, image=0, index=counter - 1 if counter < 4 else 3, has_salt=True),
            0.0,
            Quality(5.0),
        )
    heading, row, losses = table(monitor.statistics)
    assert heading.split()[:4] == ["node", "sent", "came", "lost"]
    assert row.split()[:5] == ["7", "4", "3", "25.0", "%"]
    assert losses == "node 7, lost by chunk   2: 100 %"
