"""Deadline: an end to calls of the system and of libraries that know none, such as asking a name
service.
"""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from link.carriers.carrier import PortError

Result = TypeVar("Result")


def within(timeout_s: float, call: Callable[[], Result], what: str) -> Result:
    """What call() returns or raises; PortError when that takes longer, saying what was waited for.

    The call goes on in a thread that is left behind; no process waits for it.
    """
    outcome: list[tuple[Any, BaseException | None]] = []

    def run() -> None:
        try:
            outcome.append((call(), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run, name=what, daemon=True)
    thread.start()
    thread.join(timeout_s)
    if not outcome:
        raise PortError(f"{what} takes longer than {timeout_s:g} s: is the network there?")
    result, error = outcome[0]
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]
