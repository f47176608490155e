"""Jobs: what takes longer than anybody waits, done page by page; it may be killed at any moment.

Where a job stands is written in the transaction that holds what it did, so it goes on behind that
and does nothing twice. The one kind there is: a later decoder sees every stored image of its bundle
(`redecode`). What it says lies beside what the host told then, under the decoder's own number, and
is shown when a person says so.

It sees what was stored when it began, and then once what came or grew meanwhile: a job that went
after whatever comes would end at no busy host. What came later still is told by the decoder that
the host has; another job begins anew.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sqlalchemy import Connection, Integer, and_, cast, exists, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from host_decoder.decode.reader import Reader
from host_decoder.decode.verdict import Verdict
from host_decoder.errors import HostError
from host_decoder.events import said_of_strangeness
from host_decoder.store.database.access import Database, insert_new, rows
from host_decoder.store.database.schema import DECODERS, JOBS, LABEL_HOUR, LABELS, RESULTS
from host_decoder.store.history.desk import CANCELLED, DONE, FAILED, RUNNING, WAITING, Desk
from host_decoder.store.history.images import (
    FIRST,
    PAGE_IMAGES,
    ImageKey,
    Span,
    StoredImage,
    among,
    count_images,
    image_pages,
    newest_s,
)
from link.bundle import Bundle, BundleError
from link.bundle.manifest import LABEL_TASK
from link.coder import decode_bulk

REDECODE = "redecode"
Progress = Callable[[int, int], None]
"Images done, and images in all."


def redecode_job(database: Database, bundle: Bundle) -> int:
    """The job by which this bundle's present decoder sees all its images: one that was begun and
    not ended, or a new one that waits.
    """
    spec = {"bundle": str(bundle.path), "sha256": bundle.decoder_sha256(LABEL_TASK)}
    open_jobs = select(JOBS).where(JOBS.c.kind == REDECODE, JOBS.c.state.in_((WAITING, RUNNING)))
    for job in rows(database, open_jobs.order_by(JOBS.c.id)):
        if json.loads(job["spec"]) == spec:
            return int(job["id"])
    return Desk(database).ask_job(REDECODE, spec)


def run_waiting(
    database: Database, should_stop: Callable[[], bool], progress: Progress | None = None
) -> int:
    """All that wait or were begun, in order; how many have ended. A fault of one is written down
    with it and costs the others nothing.
    """
    n_ended = 0
    ahead = select(JOBS.c.id).where(JOBS.c.state.in_((WAITING, RUNNING))).order_by(JOBS.c.id)
    for job in rows(database, ahead):
        if should_stop():
            break
        try:
            n_ended += run(database, int(job["id"]), should_stop, progress) is not None
        except (BundleError, HostError) as error:
            if getattr(error, "is_passing", False):
                raise
            _end(database, job["id"], FAILED, str(error))
            n_ended += 1
    return n_ended


def run(
    database: Database,
    number: int,
    should_stop: Callable[[], bool] = lambda: False,
    progress: Progress | None = None,
) -> int | None:
    """The decoder's number when it has seen all; None: it was stopped, and goes on from there."""
    [job] = rows(database, select(JOBS).where(JOBS.c.id == number))
    if job["kind"] != REDECODE:
        raise HostError(f"job {number} is a {job['kind']}; this program knows: {REDECODE}")
    spec = json.loads(job["spec"])
    bundle = Bundle.load(spec["bundle"], side="host")
    if spec.get("sha256", sha256 := bundle.decoder_sha256(LABEL_TASK)) != sha256:
        raise HostError(
            f"bundle {bundle.path} has another decoder than when job {number} was asked for; ask "
            "for a new one"
        )
    work = _Redecoding(database, number, bundle, job)
    while True:
        at = work.at
        for last, page in image_pages(database, bundle.id.hex(), at.after, PAGE_IMAGES, at.span):
            if should_stop() or not work.keep(last, page):
                return None
            if progress is not None:
                progress(work.n_done, work.n_total)
        if at.is_catching_up:
            break
        work.catch_up()
    work.count_labels()
    _end(database, number, DONE)
    return work.decoder_id


@dataclass(frozen=True)
class _Place:
    """How far a job is, as it stands in its row."""

    span: Span
    after: ImageKey = FIRST

    @property
    def is_catching_up(self) -> bool:
        return self.span.since_s is not None

    @classmethod
    def read(cls, cursor: str | None) -> "_Place | None":
        """None: it has not begun, or was begun by a program that knew no end."""
        told = json.loads(cursor) if cursor else None
        if not isinstance(told, dict):
            return None
        return cls(Span(told["since_s"], told["until_s"]), tuple(told["after"]))

    def write(self) -> str:
        span = {"since_s": self.span.since_s, "until_s": self.span.until_s}
        return json.dumps({"after": self.after, **span})


class _Redecoding:
    """One decoder and the images of its bundle."""

    def __init__(
        self, database: Database, number: int, bundle: Bundle, job: Mapping[str, Any]
    ) -> None:
        self._database, self._number, self._bundle = database, number, bundle
        self._reader = Reader(bundle, None)
        self.n_done, self.n_total = job["n_done"], job["n_total"]
        with database.transaction() as connection:
            self.decoder_id = register_decoder(connection, bundle)
            self._labels = label_ids(connection, bundle.classes)
            self._has_before = connection.execute(select(exists().where(self._own))).scalar_one()
            place = _Place.read(job["cursor"])
            if place is None:
                place = _Place(Span(None, newest_s(connection, bundle.id.hex())))
                self.n_done = 0
                self._begin(connection, place)
        self.at = place

    def catch_up(self) -> None:
        """Go on with what came or grew since it began."""
        with self._database.transaction() as connection:
            until_s = newest_s(connection, self._bundle.id.hex())
            self.at = _Place(Span(self.at.span.until_s, until_s))
            self._begin(connection, self.at)
        self._has_before = True

    def _begin(self, connection: Connection, place: _Place) -> None:
        self.n_total = self.n_done + count_images(connection, self._bundle.id.hex(), place.span)
        begins = update(JOBS).where(JOBS.c.id == self._number, JOBS.c.state.in_((WAITING, RUNNING)))
        values = {"state": RUNNING, "n_done": self.n_done, "n_total": self.n_total}
        connection.execute(begins.values(**values, cursor=place.write()))

    @property
    def _own(self) -> Any:
        return and_(RESULTS.c.decoder_id == self.decoder_id, ~RESULTS.c.is_live)

    def keep(self, last: ImageKey, page: Sequence[StoredImage]) -> bool:
        """What the decoder says of these, and that it has; False: somebody has ended the job."""
        entries = self._entries(page)
        days = {int(image.received_s // 86_400) for image in page}
        place, n_done = replace(self.at, after=last), self.n_done + len(page)
        with self._database.transaction() as connection:
            stands = update(JOBS).where(JOBS.c.id == self._number, JOBS.c.state == RUNNING)
            told = connection.execute(stands.values(cursor=place.write(), n_done=n_done))
            if not told.rowcount:
                return False
            self._database.make_days(connection, days)
            if self._has_before and page:
                keys = [(image.sender, image.image) for image in page]
                these = among(RESULTS.c.sender, RESULTS.c.image, keys, place.span)
                connection.execute(update(RESULTS).where(self._own, *these).values(is_latest=False))
            _insert_latest(connection, entries)
        self.at, self.n_done = place, n_done
        return True

    def count_labels(self) -> None:
        """Its images by hour and label; what it told live is among them."""
        hours = RESULTS.c.received_s / 3600
        hour = cast(func.floor(hours) if self._database.is_server else hours, Integer)
        keys = (RESULTS.c.node_id, hour, RESULTS.c.decoder_id, RESULTS.c.label_id)
        counted = (
            select(*keys, func.count())
            .where(RESULTS.c.decoder_id == self.decoder_id, RESULTS.c.is_latest)
            .group_by(*keys)
        )
        columns = ["node_id", "hour", "decoder_id", "label_id", "n"]
        with self._database.transaction() as connection:
            connection.execute(
                LABEL_HOUR.delete().where(LABEL_HOUR.c.decoder_id == self.decoder_id)
            )
            connection.execute(insert(LABEL_HOUR).from_select(columns, counted))

    def _entries(self, page: Sequence[StoredImage]) -> list[dict[str, Any]]:
        """Rows of `results`; a bitstream that the tables did not write has none."""
        latents = decode_bulk(
            [image.bitstream for image in page],
            self._bundle.tables,
            [image.is_complete for image in page],
        )
        team = self._bundle.team
        said = self._reader.judge_all(latents.symbols, latents.n_known)
        return [
            self._entry(
                image, verdict, int(n_known), None if team is None else team.alive(symbols, n_known)
            )
            for image, verdict, symbols, n_known, is_valid in zip(
                page, said, latents.symbols, latents.n_known, latents.is_valid, strict=True
            )
            if is_valid
        ]

    def _entry(
        self, image: StoredImage, verdict: Verdict, n_known: int, alive: Sequence[bool] | None
    ) -> dict[str, Any]:
        probabilities = verdict.probabilities
        return {
            "sender": image.sender,
            "image": image.image,
            "rev": image.n_chunks,
            "decoder_id": self.decoder_id,
            "received_s": image.received_s,
            "node_id": image.node_id,
            "captured_s": image.captured_s,
            "counter": image.counter,
            "label_id": self._labels[int(probabilities.argmax())],
            "probabilities": probabilities.astype(np.float16).tobytes(),
            "confidence": verdict.confidence,
            **said_of_strangeness(verdict.strangeness),
            "is_latest": True,
            "is_live": False,
            "is_complete": image.is_complete,
            "is_enough": image.is_enough,
            "symbols_known": n_known,
            "bitstream_bytes": len(image.bitstream),
            "packet_bytes": image.packet_bytes,
            "age_s": image.age_s,
            "alive": None if alive is None else "".join(str(int(one)) for one in alive),
            "tasks": None,
        }


def register_decoder(connection: Connection, bundle: Bundle) -> int:
    """The number of a bundle's present decoder."""
    named = {
        "bundle": bundle.id.hex(),
        "task": LABEL_TASK,
        "sha256": bundle.decoder_sha256(LABEL_TASK),
    }
    entry = {**named, "classes": json.dumps(bundle.classes), "added_s": time.time()}
    insert_new(connection, DECODERS, [entry])
    return int(connection.execute(select(DECODERS.c.id).filter_by(**named)).scalar_one())


def decoder_of(database: Database, bundle: Bundle) -> int:
    """The number of a bundle's present decoder, which has seen something already."""
    found = rows(
        database,
        select(DECODERS.c.id).where(
            DECODERS.c.bundle == bundle.id.hex(),
            DECODERS.c.task == LABEL_TASK,
            DECODERS.c.sha256 == bundle.decoder_sha256(LABEL_TASK),
            exists().where(RESULTS.c.decoder_id == DECODERS.c.id),
        ),
    )
    if not found:
        raise HostError(
            f"the decoder of {bundle.path} has seen nothing that is stored; say --keep first"
        )
    return int(found[0]["id"])


def show(database: Database, decoder_id: int) -> None:
    """The labels of this decoder, for all that it has seen; HostError where that is not all that
    was there when it began.
    """
    ended = select(JOBS).where(JOBS.c.kind == REDECODE, JOBS.c.state == DONE)
    named = rows(database, select(DECODERS.c.sha256).where(DECODERS.c.id == decoder_id))
    for job in rows(database, ended.order_by(JOBS.c.id.desc())):
        if named and json.loads(job["spec"]).get("sha256") == named[0]["sha256"]:
            place = _Place.read(job["cursor"])
            until_s = None if place is None else place.span.until_s
            Desk(database).show(decoder_id, until_s or job["ended_s"])
            return
    raise HostError(
        f"decoder {decoder_id} has not seen all that was stored: let its job come to an end first"
    )


def label_ids(connection: Connection, classes: Sequence[str]) -> list[int]:
    """Numbers of these labels, in their order."""
    insert_new(connection, LABELS, [{"name": name} for name in classes])
    found = connection.execute(select(LABELS.c.name, LABELS.c.id))
    numbers = {row.name: row.id for row in found}
    return [numbers[name] for name in classes]


def _insert_latest(connection: Connection, entries: Sequence[Mapping[str, Any]]) -> None:
    """What the decoder has said already, live or by an earlier job, it says again: that stays."""
    if entries:
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        added: Any = dialect.insert(RESULTS)
        key = [column.name for column in RESULTS.primary_key]
        connection.execute(
            added.on_conflict_do_update(index_elements=key, set_={"is_latest": True}), list(entries)
        )


def _end(database: Database, number: int, state: str, error: str | None = None) -> None:
    change = update(JOBS).where(JOBS.c.id == number, JOBS.c.state != CANCELLED)
    with database.transaction() as connection:
        connection.execute(change.values(state=state, error=error, ended_s=time.time()))
