"""Deadline: an end to calls of system and libraries that know none, as to a name service."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from link.carriers.carrier import PortError

Result = TypeVar("Result")


def begin(call: Callable[[], Result], what: str) -> Future[Result]:
    """What becomes of call(), in a thread on which no process waits."""
    outcome: Future[Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, name=what, daemon=True).start()
    return outcome


def within(timeout_s: float, call: Callable[[], Result], what: str) -> Result:
    """What call() returns or raises; PortError, with what was waited for, when it is late."""
    outcome = begin(call, what)
    wait([outcome], timeout_s)
    if not outcome.done():
        raise PortError(f"{what} takes longer than {timeout_s:g} s: is the network there?")
    return outcome.result()
