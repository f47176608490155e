"""Worker: does jobs that are asked for while a host listens, in a thread beside it, at half of its
pace: whoever sends comes first.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from host_decoder.store.database.access import Database
from host_decoder.store.database.file import StoreError
from host_decoder.store.history import jobs

LOOK_S = 2.0
END_S = 2.0
"How long the end waits for a page of a job; what it has not written is done again."


@contextmanager
def job_worker(database: Database, look_s: float = LOOK_S) -> Iterator[None]:
    """While this is entered, what waits is done."""
    over = threading.Event()
    thread = threading.Thread(target=_work, args=[database, over, look_s], name="jobs", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(END_S)


def _work(database: Database, over: threading.Event, look_s: float) -> None:
    begun_s = time.monotonic()

    def rest(n_done: int, n_total: int) -> None:
        nonlocal begun_s
        over.wait(time.monotonic() - begun_s)
        begun_s = time.monotonic()

    while not over.wait(look_s):
        begun_s = time.monotonic()
        with suppress(StoreError):  # the host says what is the matter, and it is tried again
            jobs.run_waiting(database, over.is_set, rest)
