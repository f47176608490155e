"""Archive: what the pages ask of the store, in words ready for JSON.

An image's key is `site:number:image`, and `:sender` behind it where it is known: a node that was
given another key counts its images anew. Every method may be called from any thread.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from host_decoder.store.history.comparison import compare
from host_decoder.store.history.pieces import newest_senders, pieces_of
from host_decoder.store.history.reading import Filter, Reading, key_of
from host_decoder.store.history.statistics import link_figures
from link.wire import Chunk

DAY_S, HOUR_S = 86_400, 3600
MEMORY_S = 30.0
"How long is remembered how often each node sends."
EXAMPLES = 24
"Images that two decoders see differently."
SENDERS_S = 2.0
"And which key each node has."
ABOUT = ("name", "latitude", "longitude", "period_s")
"What host.toml says of a node; it comes before what the store says."
LEFT_OUT = ("node_id", "decoder_id", "label_id", "tasks", "probabilities")
"Numbers of the store's own, and what a list is too long for."


@dataclass(frozen=True)
class Wish:
    """Which results are wanted; None and "": any."""

    site: str = ""
    node: int | None = None
    label: str = ""
    since_s: float | None = None
    until_s: float | None = None
    at_least: float | None = None
    "As sure as this, or surer."
    at_most: float | None = None


@dataclass(frozen=True)
class Bitstream:
    """The received prefix of one image."""

    key: str
    bundle: str
    bitstream: bytes
    is_complete: bool


class Archive:
    """What was received and said, of all sites of a store, with what host.toml says of its own."""

    def __init__(self, reading: Reading, nodes: Sequence[Mapping[str, Any]] = ()) -> None:
        """`nodes`: site, node, bundle and ABOUT of each that host.toml names."""
        self._reading = reading
        self._named = {(node["site"], node["node"]): node for node in nodes}
        self._decoders: dict[int, dict[str, Any]] = {}
        self._periods: dict[tuple[str, int], float] = {}
        self._periods_s = float("-inf")
        self._senders: dict[tuple[str, int], int] = {}
        self._senders_s = float("-inf")

    def nodes(self) -> list[dict[str, Any]]:
        """One for each node, with its latest result: all that the wall shows."""
        found = {(row["site"], row["node"]): row for row in self._reading.wall()}
        periods = self._usual_periods()
        return [
            self._node(key, found.get(key, {}), periods) for key in sorted({*found, *self._named})
        ]

    def node(self, site: str, number: int, since_s: float) -> dict[str, Any] | None:
        """The `node`, and its `hours`, `statuses` and `labels` since then, oldest first."""
        row, key = self._reading.node(site, number), (site, number)
        if row is None and key not in self._named:
            return None
        since_hour = int(since_s // HOUR_S)
        history = self._reading.link_hours(site, number, since_hour)
        best: dict[int, float] = {}
        for one in history["gateways"]:
            if one["snr_db"] is not None:
                best[one["hour"]] = max(one["snr_db"], best.get(one["hour"], one["snr_db"]))
        return {
            "node": self._node(key, row or {}, self._usual_periods()),
            "hours": [{**hour, "snr_db": best.get(hour["hour"])} for hour in history["hours"]],
            "statuses": history["statuses"],
            "labels": self._reading.label_counts(since_hour, site, number),
        }

    def results(self, wish: Wish, after: str, limit: int) -> list[dict[str, Any]]:
        """The newest first, one an image, each with the `after` of the page behind it."""
        which = Filter(
            site=wish.site or None,
            node=wish.node,
            label=wish.label or None,
            since_s=wish.since_s,
            until_s=wish.until_s,
            min_confidence=wish.at_least,
            max_confidence=wish.at_most,
        )
        rows = self._reading.results(which, before=_place(after), limit=limit)
        by_hand = self._reading.hand_labels() if rows else {}
        return [self._result(row, by_hand) for row in rows]

    def image(self, key: str) -> dict[str, Any] | None:
        """Its `revisions`, with probabilities, and its `chunks`, each with its packet."""
        place = _parsed(key)
        found = self._reading.revisions(*place[:3]) if place is not None else []
        if place is None or not found:
            return None
        sender = place[3] or max(row["sender"] for row in found)
        mine = [row for row in found if row["sender"] == sender]
        if not mine:
            return None
        usual = Counter(row["decoder_id"] for row in mine).most_common(1)[0][0]
        by_hand = self._reading.hand_labels()
        revisions = [
            {
                **self._result(row, by_hand),
                "probabilities": row["probabilities"],
                "classes": self._decoder(row["decoder_id"])["classes"],
            }
            for row in mine
            if row["decoder_id"] == usual
        ]
        chunks = [
            {
                "chunk": piece.chunk,
                "bytes": len(piece.bitstream),
                "is_last": piece.is_last,
                "received_s": piece.received_s,
                **self._heard(sender, piece.counter),
            }
            for piece in pieces_of(self._reading.database, [(sender, place[2])])
        ]
        return {**revisions[-1], "revisions": revisions, "chunks": chunks}

    def bitstreams(self, keys: Sequence[str]) -> list[Bitstream]:
        """The received prefixes of those that are there."""
        places = {found: key for key in keys if (found := self.whereabouts(key)) is not None}
        came: dict[tuple[str, int, int], list[Chunk]] = {}
        for piece in pieces_of(self._reading.database, list(places)):
            chunk = Chunk(
                piece.image, piece.chunk, piece.is_last, piece.bitstream, piece.age_s, piece.version
            )
            came.setdefault((piece.bundle, piece.sender, piece.image), []).append(chunk)
        return [
            Bitstream(
                places[sender, image],
                bundle,
                b"".join(chunk.bitstream for chunk in prefix),
                prefix[-1].is_last,
            )
            for (bundle, sender, image), chunks in came.items()
            if (prefix := Chunk.prefix_of(chunks))
        ]

    def whereabouts(self, key: str) -> tuple[int, int] | None:
        """Sender and image; None: it names none."""
        place = _parsed(key)
        if place is None:
            return None
        site, number, image, sender = place
        sender = sender or self._newest_senders().get((site, number))
        return None if sender is None else (sender, image)

    def _newest_senders(self) -> Mapping[tuple[str, int], int]:
        now_s = time.monotonic()
        if now_s > self._senders_s + SENDERS_S:
            self._senders, self._senders_s = newest_senders(self._reading.database), now_s
        return self._senders

    def links(self, since_s: float) -> dict[str, Any]:
        """`links`: gateway by node; `refusals` by reason; `nodes`: their figures."""
        since_hour = int(since_s // HOUR_S)
        return {
            "links": self._reading.link_health(since_hour),
            "refusals": self._reading.refusals(since_hour=since_hour),
            "nodes": link_figures(self._reading.database),
        }

    def jobs(self) -> dict[str, Any]:
        """`jobs`, the newest first, and `decoders`."""
        return {"jobs": self._reading.jobs(), "decoders": self._reading.decoders()}

    def comparison(self, a: int | None, b: int) -> dict[str, Any]:
        """Decoder a, None: what was told then, against b: `confusion` and `examples`."""
        found = compare(self._reading.database, a, b, EXAMPLES)
        examples = [
            {**one, "key": f"{one['site']}:{one['node']}:{one['image']}:{one['sender']}"}
            for one in found.examples
        ]
        return {"confusion": found.confusion, "n": found.n_images, "examples": examples}

    def hand_labels(self) -> list[dict[str, Any]]:
        """sender, image and label."""
        return [
            {"sender": sender, "image": image, "label": label}
            for (sender, image), label in self._reading.hand_labels().items()
        ]

    def _node(
        self,
        key: tuple[str, int],
        row: Mapping[str, Any],
        periods: Mapping[tuple[str, int], float],
    ) -> dict[str, Any]:
        named = self._named.get(key, {})
        about = {name: row.get(name) if named.get(name) is None else named[name] for name in ABOUT}
        image = row.get("image")
        return {
            **{name: value for name, value in row.items() if name not in LEFT_OUT},
            "site": key[0],
            "number": key[1],
            **about,
            "period_s": about["period_s"] or periods.get(key),
            "is_period_said": about["period_s"] is not None,
            "key": None if image is None else f"{key[0]}:{key[1]}:{image}",
            "revision": row.get("rev"),
            "heard_s": row.get("heard_s"),
            "bundle": row.get("bundle") or named.get("bundle"),
        }

    def _result(
        self, row: Mapping[str, Any], by_hand: Mapping[tuple[int, int], str]
    ) -> dict[str, Any]:
        decoder, said = self._decoder(row["decoder_id"]), row["probabilities"]
        order = sorted(range(len(said)), key=lambda index: -said[index])
        return {
            **{name: value for name, value in row.items() if name not in LEFT_OUT},
            "key": f"{row['site']}:{row['node']}:{row['image']}:{row['sender']}",
            "revision": row["rev"],
            "top": [[decoder["classes"][index], said[index]] for index in order[:3]],
            "bundle": decoder["bundle"],
            "hand_label": by_hand.get((row["sender"], row["image"])),
            "after": "_".join(map(repr, key_of(dict(row)))),
        }

    def _decoder(self, number: int) -> dict[str, Any]:
        if number not in self._decoders:
            self._decoders = {row["id"]: row for row in self._reading.decoders()}
        return self._decoders[number]

    def _heard(self, sender: int, counter: int) -> dict[str, Any]:
        """The gateway that heard a packet best."""
        heard = self._reading.receptions(sender, counter)
        if not heard:
            return {"gateway": None, "snr_db": None}
        best = max(heard, key=lambda one: one["snr_db"] or float("-inf"))
        return {"gateway": best["gateway"], "snr_db": best["snr_db"]}

    def _usual_periods(self) -> Mapping[tuple[str, int], float]:
        """How often each node was heard in the last day; one that began since then seems slower."""
        now_s = time.time()
        if now_s > self._periods_s + MEMORY_S:
            self._periods_s = now_s
            first_hour = int((now_s - DAY_S) // HOUR_S)
            span_s = now_s - first_hour * HOUR_S
            self._periods = {
                (row["site"], row["node"]): span_s * row["share"] / row["n_packets"]
                for row in self._reading.link_health(first_hour)
                if row["n_packets"] and row["share"]
            }
        return self._periods


def _place(after: str) -> tuple[float, int, int] | None:
    """What `after` says; None: the beginning, also for what nobody was told."""
    try:
        received, image, node = after.split("_")
        place = float(received), int(image), int(node)
    except ValueError:
        return None
    return place if max(map(abs, place)) < 1 << 62 else None


def _parsed(key: str) -> tuple[str, int, int, int | None] | None:
    """Site, number, image, and the sender where it is said."""
    site, *parts = key.split(":")
    if len(parts) not in (2, 3) or not all(part.isdecimal() and len(part) < 19 for part in parts):
        return None
    numbers = [int(part) for part in parts]
    return site, numbers[0], numbers[1], numbers[2] if len(numbers) == 3 else None
