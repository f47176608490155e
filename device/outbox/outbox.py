"""Outbox: what was captured and is not yet known to have arrived, safe from a power cut at any
moment.

    put          on the disk when it returns
    put_soon     in the file when it returns, and on its way to the disk: it waits once `arrived`
                 says so
    delivered    in the file when it returns; a power cut may bring a chunk back, which is then sent
                 twice
    full         refinements go first, from the oldest image's tail; then the oldest images, which
                 are counted

The chunks lie in a file (device.outbox.chunk_file); which of them there are is also kept in memory,
so asking is quick.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from heapq import merge
from itertools import islice
from pathlib import Path
from threading import RLock

from device.outbox.chunk_file import ChunkFile, DamagedError, QueuedChunk
from device.outbox.salvage import set_damaged_aside, whole_chunks
from link.base import Recent
from link.wire import ChunkId

CHUNK_BYTES = 40
"What a chunk costs the file beside its bitstream, about."
DEFAULT_MAX_BYTES = 16 << 20
MOST_ON_THE_WAY = 64
"Images that the disk may be behind by: one that is slower is waited for."
MOST_IN_MEMORY = 256
"Chunks."


class Outbox:
    """One file; every failure is an OutboxError that leaves the queue as it was. Threads may share
    it.
    """

    def __init__(
        self, path: Path | str, max_bytes: int = DEFAULT_MAX_BYTES, boot_id: str = ""
    ) -> None:
        """Opens or makes the file. DamagedError when it cannot be trusted: `open_outbox` begins
        anew then.
        """
        self.max_bytes = max_bytes
        self.notice: str | None = None
        "What `open_outbox` had to do, in a sentence."
        self._lock = RLock()
        self._file = ChunkFile(path, boot_id)
        self._on_the_way: dict[int, tuple[int, int]] = {}
        """By image that is in the file and perhaps not on the disk: the number of its writing, and
        how many chunks it has.
        """
        self._latest: Recent[ChunkId, QueuedChunk] = Recent(MOST_IN_MEMORY)
        "What was written last need not be read again."
        self._arrived: list[int] = []
        "Those that have got there and were not told yet."
        self._places: dict[int, int] = {}
        "By image: bit i is set while chunk i is queued."
        self._bases: list[int] = []
        "Images whose chunk 0 is queued, ascending."
        self._refined: list[int] = []
        "Images of which only refinements are queued, ascending."
        self.n_bytes = 0
        "What the queue takes of max_bytes."
        self.n_evicted = 0
        "Images dropped before their chunk 0 was delivered, since the file was made."
        try:
            self._load()
        except BaseException:
            self.close()
            raise

    @property
    def path(self) -> Path:
        return self._file.path

    @property
    def n_images(self) -> int:
        """Images of which something waits."""
        return len(self._places)

    def waiting(self) -> set[int]:
        """Those images."""
        with self._lock:
            return set(self._places)

    def forget(self, images: Iterable[int]) -> None:
        """Nothing of these need be kept any more; those that do not wait are no error."""
        with self._lock:
            self._forget({(image, index) for image in images for index in self._indices(image)})

    @property
    def newest_image(self) -> int:
        """The highest id that waits, or -1; a node's counters must be above it first."""
        return max(self._bases[-1:] + self._refined[-1:], default=-1)

    def put(
        self,
        image: int,
        pieces: Sequence[bytes],
        captured_s: float | None,
        captured_unix_s: float | None = None,
        is_durable: bool = True,
    ) -> None:
        """Queue the chunks of an image, most useful first; on the disk when it returns, if it is
        to be durable, else in the file.

        Raises ValueError when not even its first chunk fits, OutboxError when it cannot be stored.
        """
        self._check(image, pieces)
        with self._lock:
            self._settle()
            with self._transaction(is_durable):
                for chunk in _chunks(image, pieces, captured_s, captured_unix_s):
                    self._insert(chunk)
                self._evict()

    def put_soon(
        self,
        image: int,
        pieces: Sequence[bytes],
        captured_s: float | None,
        captured_unix_s: float | None = None,
    ) -> None:
        """Write the chunks of an image into the file. They wait as soon as they are on the disk,
        and `arrived` tells; until then they are in no answer. Raises as `put`.
        """
        self._check(image, pieces)
        chunks = _chunks(image, pieces, captured_s, captured_unix_s)
        n_bytes = sum(_size(piece) for piece in pieces)
        with self._lock:
            if len(self._on_the_way) >= MOST_ON_THE_WAY:
                self._settle()
            if self.n_bytes + n_bytes > self.max_bytes:
                self.put(image, pieces, captured_s, captured_unix_s)
                self._arrived.append(image)
                return
            with self._transaction(is_durable=False):
                for chunk in chunks:
                    self._file.insert(chunk)
                    self._latest[chunk.image, chunk.index] = chunk
            self.n_bytes += n_bytes
            self._on_the_way[image] = self._file.to_disk(), len(chunks)

    def arrived(self, wait: bool = False) -> list[int]:
        """Images of `put_soon` that are on the disk since this was asked last, oldest first; `wait`
        for all of them. OutboxError when they cannot get there.
        """
        with self._lock:
            self._settle(wait)
            arrived, self._arrived = self._arrived, []
            return arrived

    def _settle(self, wait: bool = True) -> None:
        """What is on the disk waits from now on."""
        if not self._on_the_way:
            return
        latest = next(reversed(self._on_the_way.values()))[0]
        n_on_disk = self._file.n_on_disk(latest if wait else 0)
        for image, (number, n_chunks) in list(self._on_the_way.items()):
            if number > n_on_disk:
                break
            del self._on_the_way[image]
            self._place(image, (1 << n_chunks) - 1)
            self._arrived.append(image)

    def _check(self, image: int, pieces: Sequence[bytes]) -> None:
        if not pieces or _size(pieces[0]) > self.max_bytes:
            n_bytes = len(pieces[0]) if pieces else 0
            raise ValueError(
                f"a chunk of {n_bytes} bytes cannot wait in an outbox of {self.max_bytes}: "
                "allow it more"
            )
        if image in self._places or image in self._on_the_way:
            raise ValueError(f"image {image} waits already; each image needs an id of its own")

    def base_chunks(self, limit: int, skip: Collection[ChunkId] = ()) -> list[QueuedChunk]:
        """Up to `limit` chunks 0, oldest image first, without those of `skip`."""
        with self._lock:
            return self._first(limit, ((image, 0) for image in self._bases), skip)

    def refinements(self, limit: int, skip: Collection[ChunkId] = ()) -> list[QueuedChunk]:
        """Up to `limit` later chunks, newest image first, each image's in order, without those of
        `skip`.

        Only of images whose chunk 0 waits no more, or is on its way: stands in `skip`.
        """
        with self._lock:
            return self._first(limit, self._refining(skip), skip)

    def delivered(self, chunks: Iterable[ChunkId]) -> None:
        """These chunks need not be kept any more; those that do not wait are no error."""
        with self._lock:
            self._forget(
                {
                    (image, index)
                    for image, index in chunks
                    if self._places.get(image, 0) >> index & 1
                }
            )

    def drop_refinements(self, images: Iterable[int]) -> None:
        """For these images no later chunk is wanted any more."""
        with self._lock:
            self._forget(
                {(image, index) for image in images for index in self._indices(image) if index}
            )

    def renumber(self, up_to: int, new_id: Callable[[], int]) -> None:
        """Images with ids <= up_to of which nothing was delivered are given new ones: theirs may be
        others' too.
        """
        with self._lock:
            self._settle()
        with self._transaction():
            for image in sorted(image for image in self._bases if image <= up_to):
                fresh = new_id()
                for chunk in self._file.read([(image, index) for index in self._indices(image)]):
                    self._delete(image, chunk.index)
                    self._insert(replace(chunk, image=fresh))

    def date_images(self, unix_offset_s: float) -> None:
        """The time became known, as Unix time - clock of this boot: keep when each image was, for
        after this boot.
        """
        with self._transaction(is_durable=False):
            self._latest.clear()
            self._file.date_images(unix_offset_s)

    def oldest_age_s(self, now_s: float) -> float | None:
        """Age of the oldest image that waits; None without one, or of one from another boot."""
        with self._lock:
            if not self._places:
                return None
            oldest = min(self._bases[:1] + self._refined[:1])
            [chunk] = self._file.read([(oldest, self._indices(oldest)[0])])
            return None if chunk.captured_s is None else max(0.0, now_s - chunk.captured_s)

    def adopt(self, chunks: Iterable[QueuedChunk]) -> int:
        """Queue chunks of another outbox as far as they fit; returns how many wait. None of them
        may wait already.
        """
        n_before = self._n_chunks
        with self._transaction():
            for chunk in chunks:
                self._insert(replace(chunk, captured_s=None))
            self._evict()
        return self._n_chunks - n_before

    def close(self) -> None:
        """Writes nothing that was not written, so a kill leaves the same behind."""
        self._file.close()

    def __enter__(self) -> "Outbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _n_chunks(self) -> int:
        return sum(map(int.bit_count, self._places.values()))

    @contextmanager
    def _transaction(self, is_durable: bool = True) -> Iterator[None]:
        """All or nothing, in the file and in memory."""
        with self._lock:
            try:
                with self._file.transaction(is_durable):
                    yield
            except BaseException:
                self._load()
                raise

    def _load(self) -> None:
        """What waits, from the file."""
        self._places, self.n_bytes, self.n_evicted = {}, 0, self._file.n_evicted()
        self._latest.clear()
        for chunk in self._file.read_all():
            self.n_bytes += _size(chunk.bitstream)
            if chunk.image in self._on_the_way:
                continue
            self._places[chunk.image] = self._places.get(chunk.image, 0) | 1 << chunk.index
        self._bases = [image for image, places in self._places.items() if places & 1]
        self._refined = [image for image, places in self._places.items() if not places & 1]

    def _first(
        self, limit: int, waiting: Iterable[ChunkId], skip: Collection[ChunkId]
    ) -> list[QueuedChunk]:
        wanted = islice((chunk for chunk in waiting if chunk not in skip), limit)
        return [self._latest.get(chunk) or self._file.read([chunk])[0] for chunk in wanted]

    def _refining(self, skip: Collection[ChunkId]) -> Iterator[ChunkId]:
        on_the_way = sorted(
            (image for image, index in skip if not index and self._places.get(image, 0) > 1),
            reverse=True,
        )
        previous = -1
        for image in merge(reversed(self._refined), on_the_way, reverse=True):
            if image != previous:
                yield from ((image, index) for index in self._indices(image) if index)
            previous = image

    def _indices(self, image: int) -> list[int]:
        places = self._places.get(image, 0)
        return [index for index in range(places.bit_length()) if places >> index & 1]

    def _insert(self, chunk: QueuedChunk) -> None:
        self._file.insert(chunk)
        self._latest[chunk.image, chunk.index] = chunk
        self._place(chunk.image, self._places.get(chunk.image, 0) | 1 << chunk.index)
        self.n_bytes += _size(chunk.bitstream)

    def _delete(self, image: int, index: int) -> None:
        self._latest.pop((image, index), None)
        self.n_bytes -= CHUNK_BYTES + self._file.delete(image, index)
        self._place(image, self._places[image] & ~(1 << index))

    def _place(self, image: int, places: int) -> None:
        """For this image these chunks wait from now on."""
        before = self._places.get(image, 0)
        for ascending, was, is_ in (
            (self._bases, before & 1, places & 1),
            (self._refined, before and not before & 1, places and not places & 1),
        ):
            if is_ and not was:
                insort(ascending, image)
            elif was and not is_:
                del ascending[bisect_left(ascending, image)]
        if places:
            self._places[image] = places
        else:
            del self._places[image]

    def _evict(self) -> None:
        """Within a transaction: down to max_bytes."""
        if self.n_bytes <= self.max_bytes:
            return
        for image in sorted(image for image, places in self._places.items() if places > 1):
            for index in reversed(self._indices(image)):
                if index and self.n_bytes > self.max_bytes:
                    self._delete(image, index)
            if self.n_bytes <= self.max_bytes:
                break
        while self.n_bytes > self.max_bytes:
            self._delete(self._bases[0], 0)
            self.n_evicted += 1
        self._file.set_n_evicted(self.n_evicted)

    def _forget(self, chunks: Collection[ChunkId]) -> None:
        if chunks:
            with self._transaction(is_durable=False):
                for image, index in chunks:
                    self._delete(image, index)


def open_outbox(path: Path | str, max_bytes: int = DEFAULT_MAX_BYTES, boot_id: str = "") -> Outbox:
    """The outbox at `path`. A damaged file is set aside, and what is whole in it waits in a new
    one; `notice` says so.

    Raises OutboxError when the file cannot be opened or made.
    """
    path = Path(path)
    try:
        return Outbox(path, max_bytes, boot_id)
    except DamagedError as error:
        what = str(error).split(";")[0]
    aside = set_damaged_aside(path)
    outbox = Outbox(path, max_bytes, boot_id)
    n_kept = outbox.adopt(whole_chunks(aside))
    outbox.notice = (
        f"{what}; it is now {aside.name}, and the {n_kept} chunks that are whole in it wait in a "
        "new file"
    )
    return outbox


def _chunks(
    image: int, pieces: Sequence[bytes], captured_s: float | None, captured_unix_s: float | None
) -> list[QueuedChunk]:
    last = len(pieces) - 1
    return [
        QueuedChunk(image, index, index == last, piece, captured_s, captured_unix_s)
        for index, piece in enumerate(pieces)
    ]


def _size(bitstream: bytes) -> int:
    return CHUNK_BYTES + len(bitstream)
