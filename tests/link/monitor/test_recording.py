"""A recording gives back what it was given; a torn, foreign or hostile file gives a sentence."""

import io
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link.monitor.recording import (
    Recorded,
    RecordingHead,
    RecordingWriter,
    is_uplink,
    pace,
    read_recording,
)
from link.wire.control import Quality
from link.wire.packet import Header, PacketType

HEAD = RecordingHead("rn2483-sf9", 1772366400.0)
TIMES = st.floats(0, 1e6).map(lambda t_s: round(t_s, 4))
FIGURES = st.none() | st.floats(-150, 150)
PACKETS = st.builds(
    Recorded,
    t_s=TIMES,
    packet=st.binary(min_size=1, max_size=255),
    is_uplink=st.booleans(),
    quality=st.builds(Quality, FIGURES, FIGURES),
)


def written(packets, head=HEAD):
    file = io.StringIO()
    writer = RecordingWriter(file, head)
    for packet in packets:
        writer.write(packet)
    return file.getvalue()


@given(st.lists(PACKETS, max_size=6))
def test_what_was_written_is_read(packets):
    head, read = read_recording(io.StringIO(written(packets)))
    assert head == HEAD
    assert list(read) == packets


def test_the_form_is_plain():
    text = written([Recorded(0.25, b"\x80\x03\x00\x01", True, Quality(7.5, None))])
    assert text.splitlines() == [
        '{"capture": 1, "profile": "rn2483-sf9", "started_unix_s": 1772366400.0}',
        '{"t": 0.25, "direction": "up", "hex": "80030001", "snr_db": 7.5}',
    ]


def test_a_file_that_was_cut_off_ends_at_its_last_whole_line():
    text = written([Recorded(0.0, b"one"), Recorded(1.0, b"two")])
    for n_characters in range(text.index("\n") + 1, len(text)):
        _, packets = read_recording(io.StringIO(text[:n_characters]))
        assert [packet.packet for packet in packets] == [b"one", b"two"][
            : text[:n_characters].count("\n") - 1
        ]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("nonsense", "line 2 of the recording is no JSON object"),
        ("[" * 900, "line 2 of the recording is no JSON object"),
        ("{}", "line 2 of the recording lacks t, direction up or down, or hex"),
        ('{"t": 0, "direction": "up", "hex": "xx"}', "lacks t, direction up or down, or hex"),
        ('{"t": 0, "direction": "up", "hex": 3}', "lacks t, direction up or down, or hex"),
        ('{"t": 0, "direction": "left", "hex": "00"}', "lacks t, direction up or down, or hex"),
        ('{"t": 0, "direction": "up", "hex": "' + 256 * "00" + '"}', "hex of 1 to 255 bytes"),
        ('{"t": NaN, "direction": "up", "hex": "00"}', "t = nan, it must be a number"),
        (
            '{"t": 0, "direction": "up", "hex": "00", "snr_db": "loud"}',
            "snr_db = loud, it must be a number",
        ),
        ("x" * 2000, "longer than 1024 characters"),
    ],
)
def test_a_line_that_is_none_is_named(line, sentence):
    _, packets = read_recording(io.StringIO(written([]) + line + "\n"))
    with pytest.raises(ValueError, match=sentence):
        list(packets)


@pytest.mark.parametrize(
    "text", ["", "{}\n", '{"capture": 2}\n', '{"capture": 1', "\n", '{"capture": 1}\n']
)
def test_another_file_is_no_recording(text):
    with pytest.raises(ValueError, match="recording"):
        read_recording(io.StringIO(text))


def test_bytes_that_are_no_text_are_refused():
    file = io.TextIOWrapper(io.BytesIO(b"\xff\xfe\n"), encoding="utf-8")
    with pytest.raises(ValueError, match="line 1 of the recording is no text"):
        read_recording(file)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    for whole in (text, written([]) + text):
        with suppress(ValueError):
            list(read_recording(io.StringIO(whole))[1])


def test_a_file_without_ends_of_lines_is_not_read_into_memory(tmp_path):
    path = tmp_path / "huge"
    path.write_text(written([]) + "x" * 20_000_000)
    tracemalloc.start()
    with path.open() as file, pytest.raises(ValueError, match="longer than"):
        list(read_recording(file)[1])
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_a_replay_keeps_the_time_between_packets_but_no_night():
    packets = [Recorded(t_s, b"x") for t_s in (5.0, 5.5, 5.2, 40_000.0)]
    assert [due_s for due_s, _ in pace(packets)] == [5.0, 5.5, 5.5, 3605.5]
    assert [due_s for due_s, _ in pace(packets[:2], speed=10)] == pytest.approx([0.5, 0.55])
    with pytest.raises(ValueError, match="cannot be replayed 0 times as fast"):
        list(pace(packets, speed=0))


def test_the_direction_is_that_of_the_type():
    assert is_uplink(Header(1, 0, PacketType.HELLO).pack())
    assert not is_uplink(Header(1, 0, PacketType.REPORT).pack())
    assert is_uplink(b"x")
