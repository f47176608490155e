"""Arrays out of an .npz file that somebody else wrote: nothing in it is unpickled, and no more is
read than fits.
"""

import stat
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from link.base.memory import free_bytes


def read_arrays(
    path: Path, names: Iterable[str], max_bytes: int | None = None
) -> dict[str, np.ndarray]:
    """Those of the named arrays that are there; by default as many bytes as half of the free
    memory.

    FileNotFoundError when there is no file; a ValueError for all else that can be wrong, in words
    for a bracket.
    """
    bound = free_bytes() // 2 if max_bytes is None else max_bytes
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise ValueError("it is no file")
        with zipfile.ZipFile(path) as archive:
            members = {
                name: archive.NameToInfo[f"{name}.npy"]
                for name in names
                if f"{name}.npy" in archive.NameToInfo
            }
            n_bytes = sum(member.file_size for member in members.values())
            if n_bytes > bound:
                raise ValueError(
                    f"its arrays take {n_bytes:,} bytes, {bound:,} at most are read here"
                )
            return {name: _read(archive, member) for name, member in members.items()}
    except FileNotFoundError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise whatever their parts do
        said = (
            error.strerror if isinstance(error, OSError) else str(error).strip().partition("\n")[0]
        )
        raise ValueError(said or type(error).__name__) from None


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)
