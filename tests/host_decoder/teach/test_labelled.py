from datetime import datetime

import pytest

from host_decoder.errors import HostError
from host_decoder.store.history.images import StoredImage
from host_decoder.teach.labelled import Said, parse_said, read_csv

NOW_S = 1_800_000_000.0


def image(number: int, node: int = 1, taken_s: float | None = None) -> StoredImage:
    return StoredImage(node, number, b"", True, received_s=NOW_S, captured_s=taken_s)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("open=1:40-80", Said("open", 1, 40, 80)),
        ("open=3:7", Said("open", 3, 7, 7)),
        ("a=b=3:7", None),
        ("open=2h..1h", Said("open", since_s=NOW_S - 7200, until_s=NOW_S - 3600)),
        (
            "open=2026-11-30T08:00..2026-11-30T09:00",
            Said(
                "open",
                since_s=datetime(2026, 11, 30, 8).timestamp(),
                until_s=datetime(2026, 11, 30, 9).timestamp(),
            ),
        ),
        ("open", None),
        ("=1:40", None),
        ("open=yesterday..now", None),
        ("open=1:4:5", None),
    ],
)
def test_what_is_typed_says_which_images_show_what(text, said):
    if said is None:
        with pytest.raises(ValueError, match="write"):
            parse_said(text, NOW_S)
    else:
        assert parse_said(text, NOW_S) == said


def test_a_range_holds_images_of_its_node_and_a_time_those_of_all():
    some = Said("open", 1, 40, 80)
    assert some.holds(image(40))
    assert some.holds(image(80))
    assert not some.holds(image(81))
    assert not some.holds(image(50, node=2))
    then = Said("open", since_s=100.0, until_s=200.0)
    assert then.holds(image(5, node=2, taken_s=150.0))
    assert not then.holds(image(5, taken_s=201.0))
    assert not then.holds(image(5))  # nobody knows when it was taken: it came later


def test_a_table_says_it_by_image_or_by_time(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("Node,Image,Label\n1,4,open\n2,5,closed\n")
    assert read_csv(path, NOW_S) == [Said("open", 1, 4, 4), Said("closed", 2, 5, 5)]
    path.write_text("from,to,label\n2h,1h,open\n")
    assert read_csv(path, NOW_S) == [Said("open", since_s=NOW_S - 7200, until_s=NOW_S - 3600)]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("a,b\n1,2\n", "its heading is node,image,label or from,to,label"),
        ("", "begins with nothing"),
        ("node,image,label\n1,x,open\n", "line 2: invalid literal"),
        ("node,image,label\n1,2,\n", "line 2: it has no label"),
        ("node,image,label\n,2,open\n", "line 2: an image is one of a node's"),
        ("from,to,label\nthen,now,open\n", "line 2: 'then' is no moment"),
    ],
)
def test_a_table_that_cannot_be_is_told_by_its_line(tmp_path, content, sentence):
    path = tmp_path / "labels.csv"
    path.write_text(content)
    with pytest.raises(HostError, match=sentence):
        read_csv(path, NOW_S)
