"""Deadline: an end to calls of the system and of libraries that know none, such as asking a name
service.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from link.carriers.carrier import PortError

Result = TypeVar("Result")


def begin(call: Callable[[], Result], what: str) -> Future[Result]:
    """What becomes of call(), in a thread that is left behind if need be; no process waits for
    it.
    """
    outcome: Future[Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, name=what, daemon=True).start()
    return outcome


def within(timeout_s: float, call: Callable[[], Result], what: str) -> Result:
    """What call() returns or raises; PortError when that takes longer, saying what was waited
    for.
    """
    outcome = begin(call, what)
    wait([outcome], timeout_s)
    if not outcome.done():
        raise PortError(f"{what} takes longer than {timeout_s:g} s: is the network there?")
    return outcome.result()
