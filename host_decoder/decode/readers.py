"""Readers: each made once, for all that ask the same of one bundle. A network is loaded once then,
and what several hosts of one process heard is classified together.
"""

from pathlib import Path

from host_decoder.decode.reader import Reader
from host_decoder.decode.task_reader import TaskReader, task_reader
from host_decoder.decode.verdict import VerdictConfig
from link.bundle import Bundle
from link.bundle.manifest import LABEL_TASK


class Readers:
    """Those of one process."""

    def __init__(self) -> None:
        self._readers: dict[tuple[Path, str, VerdictConfig | None], Reader] = {}
        self._task_readers: dict[tuple[Path, str], TaskReader] = {}

    def reader(self, bundle: Bundle, verdict: VerdictConfig | None) -> Reader:
        """Bundles of one folder differ where they are asked different questions."""
        key = bundle.path, bundle.decoder_sha256(LABEL_TASK), verdict
        if key not in self._readers:
            self._readers[key] = Reader(bundle, verdict)
        return self._readers[key]

    def task_reader(self, bundle: Bundle, name: str) -> TaskReader:
        key = bundle.path, name
        if key not in self._task_readers:
            self._task_readers[key] = task_reader(bundle, name)
        return self._task_readers[key]
