"""What is written into a settings file is what is read from it, or it is not written."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.flash.toml_text import lines, value
from device.flash.tools import FlashError

NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,10}", fullmatch=True)
PLAIN = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
)


@given(st.dictionaries(NAMES, st.one_of(PLAIN, st.lists(PLAIN, max_size=3))))
def test_a_table_comes_back_as_it_was(table):
    assert tomllib.loads(lines(table)) == table


def test_values_read_as_a_person_would_write_them():
    assert [value(item) for item in ("/dev/ttyUSB0", 9600, True, ["a", "b"])] == [
        '"/dev/ttyUSB0"',
        "9600",
        "true",
        '["a", "b"]',
    ]


@pytest.mark.parametrize(
    "table", [{"a name": 1}, {"": 1}, {"a": None}, {"a.b": 1}, {"a": "\ud800"}, {"a": {"b": 1}}]
)
def test_what_toml_cannot_say_is_not_written(table):
    with pytest.raises(FlashError, match=r"cannot be written as TOML.*give them plainer names"):
        lines(table)
