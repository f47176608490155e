"""A file that a person wrote becomes a table of usable values, or a sentence; nothing else comes
out.
"""

import contextlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link.settings.toml_file import MAX_FILE_BYTES, read_text, read_toml

TEXT = '[link]\nport = "/dev/ttyUSB0"  # ü\n'


class FileError(Exception):
    """What these tests ask for."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.toml"


def refusal(path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(FileError) as caught:
        read_toml(path, FileError)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_table_is_read(path):
    path.write_text(TEXT)
    assert read_toml(path, FileError) == {"link": {"port": "/dev/ttyUSB0"}}


def test_a_byte_order_mark_and_the_line_ends_of_windows_do_not_matter(path):
    path.write_bytes(TEXT.replace("\n", "\r\n").encode("utf-8-sig"))
    assert read_toml(path, FileError) == {"link": {"port": "/dev/ttyUSB0"}}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_another_encoding_of_unicode_is_named(path, encoding):
    said = refusal(path, TEXT.encode(encoding))
    assert encoding[:6].upper() in said
    assert "save it as UTF-8" in said


def test_a_file_that_is_not_utf8_is_told_with_its_line(path):
    assert "line 2 has the byte 0xfc" in refusal(path, TEXT.encode("latin-1"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = [", "is not valid TOML"),
        ("a = " + "[" * 100_000, "too deep"),
        ("a = " + "[" * 20 + "]" * 20, "a has tables or lists too deep"),
        ("a" + ".a" * 50 + " = 1", "too deep"),
        ("a = " + "9" * 5000, "digits"),
        (f"a = {2**63}", "a is an integer of more than 64 bits"),
        ("[link]\na = nan", "link.a = nan is no number"),
        ("a = [1.0, -inf]", "a = -inf is no number"),
        ('a = "x\\u0000"', "a = 'x\\x00' has a character that cannot be seen"),
        ('a = "\\u001b[2J"', "that cannot be seen"),
        ('a = """\nx\n"""', "that cannot be seen"),
        ('"a\\u0000" = 1', "the key 'a\\x00'"),
        ("a = 1\na = 2\n", "line 2"),
    ],
)
def test_what_is_no_setting_is_a_sentence(path, text, said):
    assert said in refusal(path, text.encode())


def test_bytes_that_are_no_text_are_a_sentence(path):
    assert "NUL bytes" in refusal(path, TEXT.encode() + b"\0\0\0")


def test_a_large_file_is_not_read_into_memory(path):
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(FileError, match=str(MAX_FILE_BYTES)):
        read_toml(path, FileError)


def test_what_is_no_file_is_a_sentence(path, tmp_path):
    for here, said in (
        (path, "there is no"),
        (tmp_path, "is a folder"),
        (tmp_path / "\0", "cannot be read"),
    ):
        with pytest.raises(FileError, match=said):
            read_text(here, FileError)


def test_a_pipe_that_nobody_writes_to_does_not_hang(path):
    os.mkfifo(path)
    with pytest.raises(FileError, match="is no file"):
        read_toml(path, FileError)


@given(
    content=st.binary(max_size=60)
    | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))
)
def test_whatever_a_file_holds_it_is_a_table_or_a_sentence(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(content)
    with contextlib.suppress(FileError):
        assert isinstance(read_toml(path, FileError), dict)


def test_a_key_of_very_many_parts_is_refused_without_being_read(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text("here = 1\n[a" + ".a" * 400_000 + "]\nb = 1\n")
    with pytest.raises(
        ValueError, match=r"x\.toml is not valid TOML: line 2 has a key of more than 100 parts"
    ):
        read_toml(path, ValueError)
    path.write_text('peers = [\n"10.0.0.1:4300", "10.0.0.2:4300", "10.0.0.3:4300"]\n')
    assert len(read_toml(path, ValueError)["peers"]) == 3
