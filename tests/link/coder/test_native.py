"""The coder as machine code: made where that is possible, and nothing depends on it."""

import shutil

import pytest

from link.coder import native

HAS_COMPILER = any(map(shutil.which, native.COMPILERS))


@pytest.mark.skipif(not HAS_COMPILER, reason="no C compiler")
def test_it_is_made_whole_and_nothing_is_left_beside_it(tmp_path):
    library = tmp_path / "intervals.so"
    assert native.make(library)
    assert list(tmp_path.iterdir()) == [library]


@pytest.mark.skipif(not HAS_COMPILER, reason="no C compiler")
def test_a_source_that_does_not_compile_leaves_nothing(tmp_path, monkeypatch):
    source = tmp_path / "source.c"
    source.write_text("no C")
    monkeypatch.setattr(native, "SOURCE", source)
    assert not native.make(tmp_path / "intervals.so")
    assert list(tmp_path.iterdir()) == [source]


def test_without_a_compiler_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(native, "COMPILERS", ("no-such-compiler",))
    assert not native.make(tmp_path / "intervals.so")


def test_a_file_that_is_no_library_is_not_used(tmp_path, monkeypatch):
    library = tmp_path / "intervals.so"
    library.write_bytes(b"of another machine")
    monkeypatch.setattr(native, "_library", lambda: library)
    assert native.intervals.__wrapped__() is None
