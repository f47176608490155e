"""Re-decoding for a person: a later decoder sees all that is stored; its labels are kept, and shown
or not.
"""

import time
from collections.abc import Callable

from host_decoder.interruption import Interruption
from host_decoder.store.database.opening import open_database
from host_decoder.store.database.settings import Place
from host_decoder.store.history import jobs
from host_decoder.store.history.comparison import Comparison, compare
from host_decoder.store.history.desk import Desk
from link.bundle import Bundle

MOST_CONFUSED = 10
TELL_S = 2.0


def keep(place: Place, bundle: Bundle, say: Callable[[str], None]) -> int:
    """As a job, which goes on where an earlier one was ended; the exit code."""
    told_s, begun_s, first = 0.0, time.monotonic(), -1

    def progress(n_done: int, n_total: int) -> None:
        nonlocal told_s, first
        first = n_done if first < 0 else first
        if time.monotonic() > told_s + TELL_S:
            told_s = time.monotonic()
            pace = (n_done - first) / max(told_s - begun_s, 1e-6)
            left = f", {(n_total - n_done) / pace:.0f} s left" if pace else ""
            say(f"{n_done} of {n_total} images{left}")

    database = open_database(place)
    try:
        with Interruption() as interruption:
            number = jobs.redecode_job(database, bundle)
            decoder = jobs.run(database, number, interruption, progress)
            if decoder is None:
                say(f"ended by {interruption.name or 'somebody'}; the same command goes on with it")
                return interruption.exit_code or 1
        for line in told(compare(database, None, decoder)):
            say(line)
    finally:
        database.close()
    return 0


def told(found: Comparison) -> list[str]:
    """What a person reads of a comparison."""
    n_alike = found.n_images - found.n_changed
    lines = [f"{found.n_images} images decoded again: {n_alike} as they were told"]
    changes = [(a, b, n) for a, b, n in found.confusion if a != b][:MOST_CONFUSED]
    return lines + [f"{n} of {a} are now {b}" for a, b, n in changes]


def show(place: Place, bundle: Bundle) -> None:
    """The labels of this bundle's present decoder, for all that came until now."""
    database = open_database(place)
    try:
        jobs.show(database, jobs.decoder_of(database, bundle))
    finally:
        database.close()


def show_as_told(place: Place, bundle: Bundle) -> None:
    """The labels that were told when the images came."""
    database = open_database(place)
    try:
        Desk(database).show_as_told(bundle.id.hex())
    finally:
        database.close()
