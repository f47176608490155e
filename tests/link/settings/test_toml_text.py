"""What is written into a settings file is what is read from it, or it is not written."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link.settings.toml_text import lines, rewrite, value, without

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
    "table", [{"a name": 1}, {"": 1}, {"a.b": 1}, {"a": "\ud800"}, {"a": {"b": 1}}]
)
def test_what_toml_cannot_say_is_not_written(table):
    with pytest.raises(ValueError, match=r"cannot be written as TOML.*give them plainer names"):
        lines(table)


def test_what_is_not_said_is_left_out():
    assert lines({"node": 3, "limit": None, "downlink": False}) == "node = 3\ndownlink = false\n"


def test_rewriting_keeps_comments_order_and_other_sections():
    text = "# mine\na = 1 # one\n[x]\na = 2\n"
    assert rewrite(text, {"a": 3, "b": "c"}) == '# mine\na = 3\nb = "c"\n[x]\na = 2\n'
    assert rewrite(text, {"b": 5}, section="x") == "# mine\na = 1 # one\n[x]\nb = 5\na = 2\n"


def test_a_key_over_several_lines_is_refused():
    with pytest.raises(ValueError, match="each key on one line"):
        rewrite('a = """\nb = 1\n"""\n', {"b": 2})
    with pytest.raises(ValueError, match=r"not under \[x\]; write each key on one line"):
        rewrite("x = {a = 1}\n", {"a": 2}, section="x")


def test_any_text_can_be_written():
    wicked = 'a "b" \\ \x7f é 😀 \t'
    assert tomllib.loads(rewrite("[x.y]\na = 1\n", {"a": wicked}, section="x.y")) == {
        "x": {"y": {"a": wicked}}
    }


def test_a_section_goes_with_those_in_it_and_the_rest_stays():
    text = "# mine\na = 1\n[link]\nb = 2\n[link.lorawan]\nc = 3\n[ linked ]\nd = 4 # four\n"
    assert without(text, "link") == "# mine\na = 1\n[ linked ]\nd = 4 # four\n"
    assert without(text, "team") == text


def test_what_is_no_section_of_its_own_is_not_cut_out():
    for text in ("link = {b = 2}\n", 'a = """\n[link]\n"""\n', "link.b = 2\n"):
        with pytest.raises(ValueError, match=r"link is no section of its own; write \[link\]"):
            without(text, "link")
