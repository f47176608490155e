"""Collector: pictures that show something new, made small and put on the card by a thread of its
own, so that a slow, full or broken card keeps no image from being sent.

They are gathered in memory and written together, since a card wears by how often it is written to,
too. What was gathered is lost with a kill or a power cut: half a minute at most.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Full, Queue

import numpy as np

from device.capture.gate import Gate
from device.capture.source import Image
from device.collect.collect_config import CollectConfig
from device.collect.picture_file import picture_file
from device.collect.ring import MIN_FREE_BYTES, Ring
from link.album import FOLDER, Kept
from link.base import boot_id
from link.picture import UnreadableImageError

GATHERED_BYTES, GATHERED_S = 256 << 10, 30.0
"So much, or for so long, is gathered before it is written."
REST_S = 3600.0
"After a card that took nothing, before it is tried again."
CLOSE_S = 0.5
"A card that hangs keeps a node that is told to end no longer (device/ending.py)."


@dataclass(frozen=True, eq=False)
class Offered:
    """An image that was encoded, on its way to the thread."""

    image: Image
    symbols: np.ndarray
    image_id: int
    captured_s: float
    unix_s: float | None


class Collector:
    """What one node keeps. `say` is told in a sentence what keeps it from that, once."""

    def __init__(
        self,
        config: CollectConfig,
        state_dir: Path,
        node: int,
        bundle_id: bytes,
        gate: Gate | None,
        say: Callable[[str], None],
        min_free_bytes: int = MIN_FREE_BYTES,
    ) -> None:
        """Files go into a folder of `state_dir`; `gate` is the collector's own, None: all is
        news.
        """
        self._config = config
        self._folder = state_dir / FOLDER
        self._node, self._bundle_id = node, bundle_id.hex()
        self._gate = gate
        self._say = say
        self._min_free_bytes = min_free_bytes
        self._due_s = -float("inf")
        self._ring: Ring | None = None
        self._gathered: list[Kept] = []
        self._write_s = float("inf")
        self._has_failed = self._is_over = False
        self._rest_until_s = -float("inf")
        self._waiting: Queue[Offered | None] = Queue(maxsize=1)
        self._thread = threading.Thread(target=self._serve, name="collect", daemon=True)
        self._thread.start()

    def offer(
        self,
        image: Image,
        symbols: np.ndarray,
        image_id: int,
        captured_s: float,
        unix_s: float | None,
    ) -> None:
        """Keep the picture of an image that was encoded, if one is due and it shows something new;
        none is waited for. `captured_s` is of the boot's clock.
        """
        if self._is_over or captured_s < self._due_s:
            return
        with suppress(Full):  # the card is slower than the camera
            self._waiting.put_nowait(Offered(image, symbols, image_id, captured_s, unix_s))

    def close(self) -> None:
        """What was gathered is written, if the card takes it in time."""
        self._is_over = True
        with suppress(Full):
            self._waiting.put(None, timeout=CLOSE_S)
            self._thread.join(CLOSE_S)

    def _serve(self) -> None:
        try:
            while self._turn():
                pass
        except Exception as error:  # of Pillow or OpenCV: it must not end the node
            self._is_over = True
            self._say(f"no more pictures are kept ({error}); images are sent as before")

    def _turn(self) -> bool:
        """Take what is offered, or write what was gathered; False: it was the last."""
        wait_s = max(0.0, self._write_s - time.monotonic()) if self._gathered else None
        try:
            offered = self._waiting.get(timeout=wait_s)
        except Empty:
            self._write()
            return True
        if offered is None:
            self._write()
            return False
        if time.monotonic() >= self._rest_until_s and self._is_wanted(offered):
            with suppress(UnreadableImageError):  # it was read before: its file has gone
                self._gather(offered)
        return True

    def _is_wanted(self, offered: Offered) -> bool:
        """Whether it is due and news. Asked here, since that takes a millisecond."""
        if offered.captured_s < self._due_s:
            return False
        is_news = self._gate is None or self._gate.lets_pass(
            offered.image.pixels, offered.captured_s
        )
        if is_news:
            self._due_s = offered.captured_s + self._config.interval_s
        return is_news

    def _gather(self, offered: Offered) -> None:
        image, size = offered.image, self._config.size
        pixels = image.pixels if image.picture is None else image.picture(size)
        kept = Kept(
            picture=picture_file(pixels, size),
            symbols=offered.symbols,
            bundle=self._bundle_id,
            node=self._node,
            image=offered.image_id,
            boot=boot_id(),
            captured_s=offered.captured_s,
            unix_s=offered.unix_s,
        )
        if not self._gathered:
            self._write_s = time.monotonic() + GATHERED_S
        self._gathered.append(kept)
        if sum(len(one.picture) for one in self._gathered) >= GATHERED_BYTES:
            self._write()

    def _write(self) -> None:
        gathered, self._gathered = self._gathered, []
        try:
            if self._ring is None:
                self._ring = Ring(self._folder, self._config.max_bytes, self._min_free_bytes)
            for kept in gathered:
                self._ring.put(kept)
        except OSError as error:
            self._ring = None
            self._rest_until_s = time.monotonic() + REST_S
            if not self._has_failed:
                self._has_failed = True
                why = error.strerror or error
                self._say(
                    f"no pictures are kept in {self._folder} ({why}); free some space or set "
                    "[collect] max_mb lower. Images are sent as before"
                )
            return
        if gathered and self._has_failed:
            self._has_failed = False
            self._say("pictures are kept again")
