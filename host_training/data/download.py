"""Download one file: tried again after a fault, continued where it broke off, then checked."""

import hashlib
import http.client
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from tqdm import tqdm

from host_training.data.dataset import DataSetError

BAR = "{desc} {percentage:3.0f}% {bar} {n_fmt}B of {total_fmt}B, {remaining} left"
BLOCK_BYTES = 1 << 16
TIMEOUT_S = 15.0
STALL_BYTES = 10_000
"""What must arrive within TIMEOUT_S, or the connection is given up; and what counts as having got
further.
"""
PAUSES_S = (1.0, 2.0, 4.0)
"Before further tries; from the first again when anything arrived."
PASSING = frozenset({408, 425, 429})
"HTTP's refusals that are for now; so are a server's own faults, from 500."
A_PAGE = "a web page, perhaps this network's own, which asks to log in,"
PAGE_STARTS = (b"<!doctype", b"<html", b"<?xml")

Sleep = Callable[[float], None]


def download(url: str, path: Path, sha256: str, sleep: Sleep = time.sleep) -> Path:
    """Fetch `url` into `path`; what arrived of an earlier, interrupted try lies in `<path>.part`
    and is continued.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        if _sha256(path) == sha256:
            return path
        raise DataSetError(
            f"{path} is not the file we know, or not all of it: move it away, and run the command "
            "again"
        )
    part = path.with_name(path.name + ".part")
    continues = part.exists()
    _fetch(url, part, sleep)
    if continues and _sha256(part) != sha256:  # it may have been another file's part
        part.unlink()
        _fetch(url, part, sleep)
    digest = _sha256(part)
    if digest != sha256:
        found = _describe(part)
        part.unlink()
        raise DataSetError(
            f"{path.name} from {url} is not the file we know: {found} (SHA-256 is {digest[:12]}…, "
            f"expected {sha256[:12]}…). It was thrown away; run the command again, or "
            f"{_remedy(path)}"
        )
    part.rename(path)
    return path


def _fetch(url: str, part: Path, sleep: Sleep) -> None:
    """All of it into `part`; DataSetError when nothing more arrives however often it is tried."""
    pauses_s, largest = iter(PAUSES_S), _size(part)
    while True:
        try:
            return _continue(url, part)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if _size(part) >= largest + STALL_BYTES:
                pauses_s, largest = iter(PAUSES_S), _size(part)
            pause_s = None if _is_final(error) else next(pauses_s, None)
            if pause_s is None:
                path = part.with_suffix("")
                raise DataSetError(
                    f"{path.name} could not be downloaded from {url}: {_reason(error)}. What "
                    f"arrived is kept: run the command again to go on, or {_remedy(path)}"
                ) from None
            print(f"{url}: {_reason(error)}; again in {pause_s:g} s", file=sys.stderr)
            sleep(pause_s)


def _continue(url: str, part: Path) -> None:
    have_bytes = _size(part)
    request = urllib.request.Request(
        url, headers={"Range": f"bytes={have_bytes}-"} if have_bytes else {}
    )
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have_bytes:  # nothing is left to send: the part is whole
            return
        raise
    with response:
        # it must not take the place of what has arrived
        if response.headers.get_content_type() == "text/html":
            raise ValueError(f"{A_PAGE} came in its place")
        resumes = response.status == 206 and f" {have_bytes}-" in response.headers.get(
            "Content-Range", ""
        )
        left_bytes = int(response.headers.get("Content-Length") or 0)
        start_bytes = have_bytes if resumes else 0
        total = start_bytes + left_bytes if left_bytes else None
        if not sys.stderr.isatty():
            print(f"{part.stem}: {left_bytes / 1e6:.1f} MB are on their way", file=sys.stderr)
        with tqdm(
            desc=part.stem,
            total=total,
            initial=start_bytes,
            unit="B",
            unit_scale=True,
            bar_format=BAR,
            dynamic_ncols=True,
            disable=not sys.stderr.isatty(),
        ) as bar:
            received = _write(part, "ab" if resumes else "wb", _blocks(response, bar))
    if received < left_bytes:
        raise ConnectionError(f"the connection ended {left_bytes - received} bytes early")


def _blocks(response: http.client.HTTPResponse, bar: tqdm) -> Iterator[bytes]:
    began_s, n_bytes = time.monotonic(), 0
    while block := response.read1(BLOCK_BYTES):
        bar.update(len(block))
        yield block
        n_bytes += len(block)
        if n_bytes >= STALL_BYTES:
            began_s, n_bytes = time.monotonic(), 0
        elif time.monotonic() - began_s > TIMEOUT_S:
            raise TimeoutError(f"only {n_bytes} bytes came in {TIMEOUT_S:g} s")


def _write(part: Path, mode: str, blocks: Iterator[bytes]) -> int:
    """How many bytes were written; a fault of the disk is raised at once, not tried again."""
    n_bytes = 0
    try:
        file = part.open(mode)
    except OSError as error:
        raise _unwritable(part, error) from None
    with file:
        for block in blocks:
            try:
                file.write(block)
            except OSError as error:
                raise _unwritable(part, error) from None
            n_bytes += len(block)
    return n_bytes


def _unwritable(part: Path, error: OSError) -> DataSetError:
    return DataSetError(
        f"{part} cannot be written ({error.strerror}); free some space or name another place "
        "(DATA_DIR=…)"
    )


def _is_final(error: Exception) -> bool:
    """Whether the same request will be answered the same."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code < 500 and error.code not in PASSING
    return isinstance(error, ValueError | http.client.InvalidURL)


def _reason(error: Exception) -> str:
    if isinstance(error, http.client.IncompleteRead):
        return "the connection ended early"
    if isinstance(error, http.client.HTTPException):
        return f"what answers there speaks no HTTP ({type(error).__name__})"
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _describe(part: Path) -> str:
    with part.open("rb") as file:
        start = file.read(64).lstrip().lower()
    if start.startswith(PAGE_STARTS):
        return f"it is {A_PAGE.rstrip(',')}"
    return f"it has {_size(part):,} bytes"


def _remedy(path: Path) -> str:
    return (
        f"put {path.name}, or what is in it, into {path.parent} yourself (DATA_DIR=… names "
        "another place)"
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
