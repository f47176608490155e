"""Download one file: progress bar, resume after an interruption, checksum before anyone reads it."""

import hashlib
import urllib.error
import urllib.request
from pathlib import Path

from tqdm import tqdm

from host_training.dataset import DataSetError

BLOCK_BYTES = 1 << 16
TIMEOUT_S = 30.0


def download(url: str, path: Path, sha256: str) -> Path:
    """Fetch `url` into `path`; what arrived of an earlier, interrupted try lies in `<path>.part` and is continued."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and _sha256(path) == sha256:
        return path
    part = path.with_name(path.name + ".part")
    try:
        _continue(url, part)
    except OSError as error:
        raise DataSetError(
            f"{path.name} could not be downloaded from {url}: {error}. What arrived is kept: run the command again to "
            f"go on, or put the unpacked folder into {path.parent} yourself (DATA_DIR=… names another place)"
        ) from error
    digest = _sha256(part)
    if digest != sha256:
        part.unlink()
        raise DataSetError(
            f"{path.name} from {url} is not the file we know (SHA-256 is {digest[:12]}…, expected {sha256[:12]}…): "
            "it was thrown away; run the command again"
        )
    part.rename(path)
    return path


def _continue(url: str, part: Path) -> None:
    have_bytes = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have_bytes}-"} if have_bytes else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have_bytes:  # nothing is left to send: the part is whole
            return
        raise
    with response:
        resumes = response.status == 206
        left_bytes = int(response.headers.get("Content-Length") or 0)
        have_bytes = have_bytes if resumes else 0
        with (
            part.open("ab" if resumes else "wb") as file,
            tqdm(
                desc=part.stem, total=have_bytes + left_bytes or None, initial=have_bytes, unit="B", unit_scale=True
            ) as bar,
        ):
            received = 0
            while block := response.read(BLOCK_BYTES):
                file.write(block)
                received += len(block)
                bar.update(len(block))
    if left_bytes and received < left_bytes:
        raise OSError(f"the connection ended {left_bytes - received} bytes early")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
