"""The harness of `python -m tests.studies fuzz`: random and mutated bytes into everything that
reads bytes from outside.

A target takes any bytes and answers, refuses with the exceptions that it documents, or is broken:
another exception, an input that takes longer than HANG_S, more memory than its bound, for one input
or kept over all of them. Half of the point is in the seeds, valid inputs that get changed: so what
lies behind the first check is reached too.

`make test` shares some thousand inputs out among the targets of tests.studies.fuzz.targets, `make
nightly` more than a million; figures go to results/link-fuzz.json.
"""

import gc
import re
import signal
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from tests.scale import size

N_STUDY_INPUTS = 1_200_000
N_INPUTS = size(8_000, N_STUDY_INPUTS)
"Over all targets together."
HANG_S = 20.0
"Generous, since the machine may be busy: what hangs, hangs longer."
MAX_RANDOM_BYTES = 300
MAX_INPUT_BYTES = 1 << 16
P_RANDOM, P_UNTOUCHED = 0.15, 0.02
EDGES = (0, 1, 0x1F, 0x20, 0x7F, 0x80, 0xFE, 0xFF)
TEXT_VALUE = re.compile(rb'"[^"]*"|-?\d+(\.\d+)?|true|false|null')
TEXT_TOKENS = [
    *(
        b"null",
        b"true",
        b'""',
        b"0",
        b"-1",
        b"1.5",
        b"1e999",
        b"NaN",
        b"-Infinity",
        b"[]",
        b"{}",
        b"[{}]",
    ),
    *(
        b'"\\ud800"',
        b'"\xc3\xa9"',
        b"\xff",
        b"9" * 30,
        b"9" * 5000,
        b"[" * 3000,
        b'{"a":' * 3000,
        b"\r\n",
        b" ",
    ),
]


@dataclass(frozen=True)
class Target:
    """Something that reads bytes from outside."""

    read: Callable[[bytes], object]
    "Something true when the input was taken for good, nothing or a refusal when not."
    seeds: list[bytes]
    refusals: tuple[type[Exception], ...] = (ValueError,)
    is_text: bool = False
    peak_bytes: int = 1 << 20
    "What one input may take for a moment."
    kept_bytes: int = 1 << 20
    "What all inputs together may leave behind."


@dataclass(frozen=True)
class Surroundings:
    """What a target may need to be built."""

    folder: Path
    patch: pytest.MonkeyPatch


@dataclass
class Outcome:
    """What became of the inputs of one target."""

    n_inputs: int = 0
    n_accepted: int = 0
    slowest_s: float = 0.0
    peak_bytes: int = 0
    kept_bytes: int = 0
    elapsed_s: float = 0.0


class FuzzError(AssertionError):
    """A target is broken; the message holds the input."""


class _HangError(BaseException):
    """Passes every `except Exception` of the target."""


def inputs(target: Target, random: Random) -> Iterator[bytes]:
    """Without end: some random, a few seeds as they are, the rest seeds changed in one to four
    places.
    """
    while True:
        kind = random.random()
        if kind < P_RANDOM:
            yield random.randbytes(random.randrange(MAX_RANDOM_BYTES))
            continue
        data = random.choice(target.seeds)
        if kind > P_RANDOM + P_UNTOUCHED:
            for _ in range(random.randint(1, 4)):
                data = _changed(data, target, random)[:MAX_INPUT_BYTES]
        yield data


def _changed(data: bytes, target: Target, random: Random) -> bytes:
    """One place of it is other than it was."""
    if target.is_text and random.random() < 0.5:
        return _with_token(data, random)
    start = random.randint(0, len(data))
    end = min(len(data), start + random.choice((1, 1, 2, 4, 16)))
    return random.choice(
        (
            lambda: (
                data[:start]
                + bytes([byte ^ 1 << random.randrange(8) for byte in data[start : start + 1]])
                + data[start + 1 :]
            ),
            lambda: data[:start] + bytes([random.choice(EDGES)]) + data[start + 1 :],
            lambda: data[:start] + random.randbytes(end - start) + data[end:],
            lambda: data[:start] + data[end:],
            lambda: data[:start],
            lambda: data[:end] + data[start:],
            lambda: data[:start] + random.randbytes(random.randint(1, 8)) + data[start:],
            lambda: data[:start] + random.choice(target.seeds)[start:],
            lambda: data + random.choice(target.seeds),
        )
    )()


def _with_token(data: bytes, random: Random) -> bytes:
    """One value of a text replaced by one that programs stumble over."""
    values = list(TEXT_VALUE.finditer(data))
    if not values:
        return data + random.choice(TEXT_TOKENS)
    value = random.choice(values)
    return data[: value.start()] + random.choice(TEXT_TOKENS) + data[value.end() :]


def fuzz(name: str, target: Target, n_inputs: int, seed: int) -> Outcome:
    """Feed the target, tracing memory, which takes its time; FuzzError, with the input, when it is
    broken.
    """
    outcome = Outcome()
    started_s = time.monotonic()
    with _memory_traced(), _alarm():
        gc.collect()
        before_bytes, _ = tracemalloc.get_traced_memory()
        for data in inputs(target, Random(f"{seed}/{name}")):
            if outcome.n_inputs == n_inputs:
                break
            outcome.n_inputs += 1
            _feed(name, target, data, outcome)
        gc.collect()
        outcome.kept_bytes = tracemalloc.get_traced_memory()[0] - before_bytes
    outcome.elapsed_s = time.monotonic() - started_s
    if outcome.kept_bytes > target.kept_bytes:
        raise FuzzError(
            f"{name} keeps {outcome.kept_bytes} bytes after {n_inputs} inputs, "
            f"{target.kept_bytes} are its bound"
        )
    return outcome


def _feed(name: str, target: Target, data: bytes, outcome: Outcome) -> None:
    tracemalloc.reset_peak()
    used_bytes, _ = tracemalloc.get_traced_memory()
    signal.setitimer(signal.ITIMER_REAL, HANG_S)
    started_s = time.perf_counter()
    try:
        outcome.n_accepted += bool(target.read(data))
    except target.refusals as refusal:
        if not str(refusal):
            raise FuzzError(
                f"{name} refuses {_shown(data)} without a word ({refusal!r})"
            ) from refusal
    except _HangError:
        raise FuzzError(f"{name} still worked after {HANG_S:g} s on {_shown(data)}") from None
    except Exception as error:
        raise FuzzError(f"{name} broke with {error!r} on {_shown(data)}") from error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    outcome.slowest_s = max(outcome.slowest_s, time.perf_counter() - started_s)
    peak_bytes = tracemalloc.get_traced_memory()[1] - used_bytes
    outcome.peak_bytes = max(outcome.peak_bytes, peak_bytes)
    if peak_bytes > target.peak_bytes:
        raise FuzzError(
            f"{name} took {peak_bytes} bytes, {target.peak_bytes} are its bound, on {_shown(data)}"
        )


def _shown(data: bytes) -> str:
    return f'bytes.fromhex("{data.hex()}")'


@contextmanager
def _memory_traced() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


@contextmanager
def _alarm() -> Iterator[None]:
    def hang(*_: object) -> None:
        raise _HangError

    before = signal.signal(signal.SIGALRM, hang)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


@contextmanager
def built(make: Callable[[Surroundings], Target]) -> Iterator[Target]:
    """The target in surroundings of its own, which end with it."""
    with (
        tempfile.TemporaryDirectory(prefix="latentlink-fuzz-") as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        yield make(Surroundings(Path(folder), patch))
