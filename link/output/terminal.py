"""Terminal: what is printed arrives, whatever the terminal, pipe or log can take.

    readable_output()          the first line of every command

A terminal of Latin-1 or ASCII, a file name of bytes that are no text: what it cannot show is put in
the signs that it has, as like as may be, a sign for a sign so that columns stay where they are.
Nothing is ever an error.
"""

import codecs
import io
import os
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress

SCHEME = "latentlink.readable"
ERROR_OUTPUT = 2
"The descriptor of standard error, that C writes to as well."
LIKE = {
    **dict.fromkeys("–—‒−‐‑·•─━┄┈╌═╴╶", "-"),
    **dict.fromkeys("│┃║╵╷┆┊", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼┏┓┗┛┡┩┢┪╇╭╮╯╰╔╗╚╝╠╣╦╩╬┳┻╋", "+"),
    **dict.fromkeys("█▉▊▋▌▍▎▏▀▄■▓▒░", "#"),
    **dict.fromkeys("‘’‚′", "'"),
    **dict.fromkeys("“”„«»″", '"'),
    **dict.fromkeys("μµ", "u"),
    "…": "...",
    "×": "x",
    "÷": "/",
    "→": "->",
    "←": "<-",
    "≤": "<=",
    "≥": ">=",
    "±": "+-",
    "≈": "~",
    "✓": "+",
    "✗": "x",
    "°": "o",
    "€": "EUR",
    "ß": "ss",
    "æ": "ae",
    "ø": "o",
    "ł": "l",
    "\N{NO-BREAK SPACE}": " ",
    "\N{NARROW NO-BREAK SPACE}": " ",
}
"What stands for a sign that a terminal lacks."


def readable_output() -> None:
    """Standard output and error take every text from here on."""
    codecs.register_error(SCHEME, _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=SCHEME)


def forget_output() -> None:
    """Whoever read what is printed has had enough (`| head`): the rest goes nowhere, and no error
    with it.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def without_information() -> Iterator[None]:
    """What a library of C writes to standard error as "INFO: …" is left out; all else comes, a
    little later.

    LiteRT tells so of its delegate and has no setting against it.
    """
    try:
        before = os.dup(ERROR_OUTPUT)
    except OSError:  # there is no standard error
        yield
        return
    with os.fdopen(os.memfd_create("stderr"), "r+b") as kept:
        os.dup2(kept.fileno(), ERROR_OUTPUT)
        try:
            yield
        finally:
            os.dup2(before, ERROR_OUTPUT)
            kept.seek(0)
            with suppress(OSError):  # nobody reads it any more
                os.write(before, b"".join(line for line in kept if not line.startswith(b"INFO: ")))
            os.close(before)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_like, error.object[error.start : error.end])), error.end


def _like(sign: str) -> str:
    """Signs of ASCII for one that is none: its base letter, or a question mark."""
    if sign in LIKE:
        return LIKE[sign]
    base = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
    return base if base.isprintable() and base else "?"
