"""Whatever reads bytes from outside survives any; and the harness that says so notices what does
not.
"""

import time
from contextlib import suppress

import pytest

from tests.studies.fuzz import harness
from tests.studies.fuzz.harness import N_INPUTS, FuzzError, Target, built, fuzz
from tests.studies.fuzz.targets import TARGETS, n_inputs_of

SEEDS = [b"\x05seed", b"\x06another"]


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_are_read_or_refused(name):
    with built(TARGETS[name].make) as target:
        outcome = fuzz(name, target, n_inputs_of(name, N_INPUTS), seed=0)
    assert outcome.n_accepted > 0, "no input got through: are the seeds still valid?"


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_are_valid(name):
    with built(TARGETS[name].make) as target:
        if target.refusals:  # the others are conversations, in which a seed alone means little
            assert all(target.read(seed) for seed in target.seeds)


def break_with(error):
    def read(data):
        if data[:1] == b"\x07":
            raise error
        return data

    return read


def test_an_exception_that_is_not_documented_is_reported_with_its_input():
    with pytest.raises(
        FuzzError, match=r'fragile broke with KeyError\(.x.\) on bytes.fromhex\("07'
    ):
        fuzz("fragile", Target(break_with(KeyError("x")), SEEDS), 5000, seed=0)


def test_a_documented_refusal_is_fine_unless_it_says_nothing():
    outcome = fuzz(
        "shy", Target(break_with(ValueError("the first byte is 7")), SEEDS), 5000, seed=0
    )
    assert 4000 < outcome.n_accepted < 5000
    with pytest.raises(FuzzError, match="without a word"):
        fuzz("shy", Target(break_with(ValueError()), SEEDS), 5000, seed=0)


def test_a_hang_is_cut_short_even_where_exceptions_are_swallowed(monkeypatch):
    monkeypatch.setattr(harness, "HANG_S", 0.05)

    def read(_):
        while True:
            with suppress(Exception):
                time.sleep(1)

    with pytest.raises(FuzzError, match=r"sleeper still worked after 0\.05 s"):
        fuzz("sleeper", Target(read, SEEDS), 10, seed=0)


def test_memory_taken_for_a_moment_and_memory_kept_are_noticed():
    kept = []
    with pytest.raises(FuzzError, match=r"greedy took \d+ bytes, 1000000 are its bound"):
        fuzz(
            "greedy", Target(lambda data: bytes(2_000_000), SEEDS, peak_bytes=1_000_000), 10, seed=0
        )
    with pytest.raises(
        FuzzError, match=r"hoarder keeps \d+ bytes after 2000 inputs, 100000 are its bound"
    ):
        fuzz(
            "hoarder",
            Target(lambda data: kept.append(bytes(100)), SEEDS, kept_bytes=100_000),
            2000,
            seed=0,
        )


def test_the_same_seed_gives_the_same_inputs_and_most_differ():
    def taken(seed):
        read = []
        fuzz("reader", Target(lambda data: read.append(data), SEEDS), 500, seed)
        return read

    assert taken(1) == taken(1)
    assert len(set(taken(1))) > 350
    assert taken(1) != taken(2)
