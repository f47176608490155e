"""Memory: the least of what machine, container and process leave counts, and what cannot be read is
no limit.
"""

import pytest

from link.base import memory


@pytest.fixture
def container(tmp_path, monkeypatch):
    """A machine with a gigabyte free, without a limit of its own for this process."""
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    1048576 kB\n")
    (tmp_path / "statm").write_text("25600 1 1 1 0 1 0\n")
    monkeypatch.setattr(memory, "MEMORY_INFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "OWN_SIZE", tmp_path / "statm")
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)
    limit_to(monkeypatch, -1)
    return tmp_path


def limit_to(monkeypatch, n_bytes):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda which: (n_bytes, n_bytes))


def test_without_a_container_it_is_what_the_machine_has_available(container):
    assert memory.free_bytes() == 1 << 30


def test_a_container_leaves_what_its_limit_has_over_what_it_uses(container):
    (container / "memory.max").write_text("300000000\n")
    (container / "memory.current").write_text("100000000\n")
    assert memory.free_bytes() == 200_000_000
    (container / "memory.current").write_text("300000001\n")
    assert memory.free_bytes() == 0


def test_a_container_without_a_limit_has_that_of_the_machine(container):
    (container / "memory.max").write_text("max\n")
    (container / "memory.current").write_text("100000000\n")
    assert memory.free_bytes() == 1 << 30


def test_a_process_with_a_limit_has_what_its_own_size_leaves(container, monkeypatch):
    monkeypatch.setattr(memory.os, "sysconf", lambda name: 4096)
    limit_to(monkeypatch, 200_000_000)
    assert memory.free_bytes() == 200_000_000 - 25_600 * 4096
    (container / "statm").unlink()
    assert memory.free_bytes() == 200_000_000


def test_where_the_system_says_nothing_half_of_the_machine_counts(container, monkeypatch):
    (container / "meminfo").write_text("MemTotal: 9 kB\n")
    monkeypatch.setattr(
        memory.os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1000}.__getitem__
    )
    assert memory.free_bytes() == 2_048_000
