"""Keeping: what a batch of packets led to, as rows; many rows go into the database at once.

A row costs a database twenty times as much alone as among a hundred, and a flush to the disk costs
as much as forty packets. So a batch is gathered first, in the order in which it came, and written
table by table in one transaction.
"""

import json
from collections import defaultdict
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import Connection, bindparam, func, select, update

from host_decoder.events import Answer, said_of_strangeness
from host_decoder.store.database.access import (
    change,
    insert_new,
    insert_or_add,
    insert_or_replace,
)
from host_decoder.store.database.schema import (
    CHUNKS,
    LABEL_HOUR,
    LINK_HOUR,
    NODE_HOUR,
    NODE_STATE,
    PACKETS,
    RECEPTIONS,
    REFUSALS,
    REFUSALS_HOUR,
    RESULTS,
    SENDERS,
    STATISTICS,
    STATUSES,
)
from host_decoder.store.names import Names
from host_decoder.store.receipt import HeardAgain, Receipt, ReceivedPacket, Totals
from link.base import Recent
from link.bundle.manifest import LABEL_TASK

HOUR_S = 3600
BITMAP_BYTES = 8
KEPT_IMAGES = 4096
"Images whose latest answer is remembered; of others it is looked up."
TOLD = ("queue_images", "oldest_age_s", "budget_s", "n_evicted", "fault")
"What a STATUS says of a node."
LIVE = {"is_live": True, "is_latest": True}
_OUTDATE = (
    update(RESULTS)
    .where(*[column == bindparam(f"b_{column.name}") for column in RESULTS.primary_key])
    .values(is_latest=False)
)
_LATER = STATISTICS.delete().where(
    STATISTICS.c.node_id == bindparam("b_id"), STATISTICS.c.started_s > bindparam("b_s")
)
"""A start that was later by the clock was before this one all the same: somebody has set the clock
since.
"""
Sums = dict[tuple[Any, ...], list[float]]


@dataclass
class Memory:
    """What is stored already, as far as the next batch asks for it; a failed batch spoils it."""

    latest: Recent[tuple[int, int], dict[str, Any]] = field(
        default_factory=lambda: Recent(KEPT_IMAGES)
    )
    "By sender and image."
    highest: dict[int, int] = field(default_factory=dict)
    "By sender: no answer on a later image is stored."
    states: dict[int, dict[str, Any]] = field(default_factory=dict)
    "node_state by node."
    lost: dict[tuple[int, float], int] = field(default_factory=dict)
    "Packets lost, by node and start of the host."
    counted: set[tuple[int, float]] = field(default_factory=set)
    "Nodes of which a start of the host has counted something."
    ends_hosts: bool = False
    """Whether hosts begin anew where this does: of a start that is not known here nothing is
    stored then.
    """

    def forget(self, senders: Container[int]) -> None:
        """Their images: another process may have stored more of them."""
        for key in [key for key in self.latest if key[0] in senders]:
            del self.latest[key]

    @staticmethod
    def blank_state(node_id: int) -> dict[str, Any]:
        """What a node has of which nothing is stored."""
        blank = dict.fromkeys(NODE_STATE.columns.keys())
        return blank | {"node_id": node_id, "heard_s": 0.0, "n_packets": 0, "n_results": 0}


class Batch:
    """The rows of some receipts."""

    def __init__(self, connection: Connection, names: Names, memory: Memory) -> None:
        self._db, self._names, self._memory = connection, names, memory
        self._new: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._receptions: dict[tuple[int, int, str, float], dict[str, Any]] = {}
        "Each once: a gateway may have said it twice meanwhile."
        self._sessions: dict[int, dict[str, Any]] = {}
        self._results: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._outdated: list[dict[str, Any]] = []
        self._touched: dict[int, dict[str, Any]] = {}
        self._refusals: dict[tuple[int, str], dict[str, Any]] = {}
        self._figures: dict[tuple[int, float], dict[str, Any]] = {}
        self._began: dict[int, float] = {}
        "Nodes of which a start of the host counts something first, and when that was."
        self._by_hour: dict[str, Sums] = {
            name: defaultdict(lambda: [0.0] * 6) for name in ("link", "node", "label", "refusal")
        }

    def turn_to(self, names: Names) -> None:
        """What follows is of another site."""
        self._names = names

    def add(self, receipt: Receipt) -> None:
        """In the order in which they came."""
        node_id, sender = self._names.sender(receipt, self._sessions)
        state = self._node_state(node_id)
        state["heard_s"] = max(state["heard_s"], receipt.received_s)
        for packet in receipt.packets:
            self._add_packet(node_id, sender, packet, receipt.received_s, state)
        for answer in receipt.answers:
            self._add_answer(node_id, sender, answer, state)
        if receipt.heard is not None:
            told = {name: getattr(receipt.heard.status, name) for name in TOLD}
            state |= told | {"status_s": receipt.received_s}
            self._new["statuses"].append(
                {"node_id": node_id, "received_s": receipt.received_s, **told}
            )

    def count(self, totals: Totals) -> None:
        """What was counted meanwhile."""
        site = self._names.site_id
        for one in totals.rejected:
            self._by_hour["refusal"][site, _hour(one.last_s), str(one.last.reason)][0] += one.n
            key = site, str(one.last.reason)
            before = self._refusals.get(key, {"n": 0})
            self._refusals[key] = {
                "site_id": site,
                "reason": key[1],
                "n": before["n"] + one.n,
                "last_s": one.last_s,
                "last_sentence": one.last.sentence,
                "last_packet": one.packet,
            }
        for again in totals.heard_again:
            self._add_reception(again)
        for number, figures in totals.figures.items():
            node_id = self._names.node_id(number)
            start = node_id, totals.started_s
            self._figures[start] = {
                "node_id": node_id,
                "started_s": totals.started_s,
                "figures": json.dumps(figures),
            }
            self._count_losses(node_id, totals.started_s, figures)
            if start not in self._memory.counted:
                self._memory.counted.add(start)
                self._began[node_id] = totals.started_s

    def write(self) -> None:
        """Everything, table by table."""
        change(self._db, SENDERS, list(self._sessions.values()))
        for table in (PACKETS, CHUNKS, STATUSES):
            insert_new(self._db, table, self._new[table.name])
        insert_new(self._db, RECEPTIONS, list(self._receptions.values()))
        if self._outdated:
            self._db.execute(_OUTDATE, self._outdated)
        insert_new(self._db, RESULTS, list(self._results.values()))
        insert_or_replace(self._db, NODE_STATE, list(self._touched.values()))
        if self._began:
            self._db.execute(_LATER, [{"b_id": n, "b_s": s} for n, s in self._began.items()])
        insert_or_replace(self._db, STATISTICS, list(self._figures.values()))
        # in order: several hosts of one fleet count refusals of the same sites
        insert_or_add(
            self._db,
            REFUSALS,
            [row for _, row in sorted(self._refusals.items())],
            "n",
        )
        for table, name, keys, counts in BY_HOUR:
            sums = self._by_hour[name]
            entries = [
                dict(zip((*keys, *counts), (*key, *values), strict=False))
                for key, values in sorted(sums.items())
            ]
            insert_or_add(self._db, table, entries, *counts)

    def _add_packet(
        self,
        node_id: int,
        sender: int,
        packet: ReceivedPacket,
        received_s: float,
        state: dict[str, Any],
    ) -> None:
        n_bytes, quality = len(packet.packet or b""), packet.quality
        self._new["packets"].append(
            {
                "sender": sender,
                "counter": packet.counter,
                "received_s": received_s,
                "n_bytes": n_bytes,
                "reason": packet.reason,
                "packet": packet.packet,
            }
        )
        for chunk in packet.chunks:
            self._new["chunks"].append(
                {
                    "sender": sender,
                    "bundle": packet.bundle,
                    "image": chunk.image,
                    "version": chunk.version,
                    "chunk": chunk.index,
                    "counter": packet.counter,
                    "received_s": received_s,
                    "is_last": chunk.is_last,
                    "bitstream": chunk.bitstream,
                    "age_s": chunk.age_s,
                }
            )
        state["n_packets"] += 1
        sums = self._by_hour["node"][node_id, _hour(received_s)]
        sums[0] += 1
        sums[1] += n_bytes
        if packet.packet is not None:
            state |= {
                "gateway": packet.gateway,
                "snr_db": quality.snr_db,
                "rssi_dbm": quality.rssi_dbm,
            }
            self._heard(
                node_id, sender, packet.counter, packet.gateway, received_s, quality, n_bytes
            )

    def _add_reception(self, again: HeardAgain) -> None:
        """By a further gateway; one from a session before this start is left out, and what a
        gateway says again counts once.
        """
        found = self._names.known_sender(again.node)
        if found is not None and not self._is_kept(found[1], again):
            node_id, sender = found
            self._heard(
                node_id,
                sender,
                again.counter,
                again.gateway,
                again.received_s,
                again.quality,
                again.n_bytes,
            )

    def _is_kept(self, sender: int, again: HeardAgain) -> bool:
        key = RECEPTIONS.primary_key.columns
        values = sender, again.counter, again.gateway, again.received_s
        same = [column == value for column, value in zip(key, values, strict=True)]
        return self._db.execute(select(RECEPTIONS.c.sender).where(*same)).first() is not None

    def _heard(
        self,
        node_id: int,
        sender: int,
        counter: int,
        gateway: str,
        received_s: float,
        quality: Any,
        n_bytes: int,
    ) -> None:
        snr_db, rssi_dbm = quality.snr_db, quality.rssi_dbm
        key = sender, counter, gateway, received_s
        if key in self._receptions:
            return
        self._receptions[key] = {
            **dict(zip(RECEPTIONS.primary_key.columns.keys(), key, strict=True)),
            "snr_db": snr_db,
            "rssi_dbm": rssi_dbm,
        }
        sums = self._by_hour["link"][node_id, _hour(received_s), gateway]
        more = 1, n_bytes, snr_db is not None, snr_db or 0.0, rssi_dbm is not None, rssi_dbm or 0.0
        for place, value in enumerate(more):
            sums[place] += value

    def _add_answer(self, node_id: int, sender: int, answer: Answer, state: dict[str, Any]) -> None:
        decoder_id = self._names.decoder_id(
            answer.bundle, LABEL_TASK, answer.decoder, answer.classes, answer.received_s
        )
        row = self._result(node_id, sender, decoder_id, answer)
        before = self._latest(row)
        if before is not None:
            if _is_known(before, row):
                return
            row["captured_s"] = before["captured_s"]
            self._outdate(before)
        else:
            self._by_hour["node"][node_id, _hour(row["received_s"])][3] += 1
        self._memory.latest[sender, answer.image] = row
        self._results[_key(row)] = row
        self._count_label(row, 1)
        state["n_results"] += 1
        state |= {
            name: row[name]
            for name in (
                *("image", "rev", "received_s", "captured_s", "decoder_id", "label_id"),
                *("confidence", "is_anomaly", "is_complete", "tasks"),
            )
        }
        state["top"] = json.dumps([[label, round(p, 4)] for label, p in answer.top()])

    def _result(self, node_id: int, sender: int, decoder_id: int, answer: Answer) -> dict[str, Any]:
        age_s = answer.age_s
        return {
            "sender": sender,
            "image": answer.image,
            "rev": answer.n_chunks,
            "decoder_id": decoder_id,
            "received_s": answer.received_s,
            "node_id": node_id,
            "captured_s": None if age_s is None else answer.received_s - age_s,
            "counter": answer.counter,
            "label_id": self._names.label_id(answer.label),
            "probabilities": answer.probabilities.astype(np.float16).tobytes(),
            "confidence": answer.confidence,
            **said_of_strangeness(answer.strangeness),
            **LIVE,
            "is_complete": answer.is_complete,
            "is_enough": answer.is_enough,
            "symbols_known": answer.n_known,
            "bitstream_bytes": answer.bitstream_bytes,
            "packet_bytes": answer.packet_bytes,
            "age_s": age_s,
            "alive": None
            if answer.alive is None
            else "".join(str(int(one)) for one in answer.alive),
            "tasks": json.dumps(answer.tasks) if answer.tasks else None,
        }

    def _latest(self, row: dict[str, Any]) -> dict[str, Any] | None:
        """The answer on this image that this one follows; looked up where one may be stored that is
        not remembered: a node sends again what it was not told of before its host was started anew.
        """
        sender, image = row["sender"], row["image"]
        known = self._memory.latest.get((sender, image))
        highest = self._memory.highest.get(sender)
        if highest is None and sender in self._names.made:
            highest = -1
        elif highest is None:
            query = select(func.max(RESULTS.c.image)).where(RESULTS.c.sender == sender)
            found_image = self._db.execute(query).scalar()
            highest = -1 if found_image is None else int(found_image)
        self._memory.highest[sender] = max(highest, image)
        if known is not None or image > highest:
            return known
        found = self._db.execute(
            select(RESULTS).where(
                RESULTS.c.sender == row["sender"],
                RESULTS.c.image == row["image"],
                RESULTS.c.is_latest,
                RESULTS.c.is_live,
            )
        ).mappings()
        first = found.first()
        return None if first is None else dict(first)

    def _outdate(self, before: dict[str, Any]) -> None:
        before["is_latest"] = False
        if _key(before) not in self._results:
            self._outdated.append({f"b_{name}": before[name] for name in KEY})
        self._count_label(before, -1)

    def _count_label(self, row: dict[str, Any], n: int) -> None:
        key = row["node_id"], _hour(row["received_s"]), row["decoder_id"], row["label_id"]
        self._by_hour["label"][key][0] += n

    def _node_state(self, node_id: int) -> dict[str, Any]:
        state = self._memory.states.get(node_id)
        if state is None:
            found = self._db.execute(select(NODE_STATE).where(NODE_STATE.c.node_id == node_id))
            first = found.mappings().first()
            state = Memory.blank_state(node_id) if first is None else dict(first)
            self._memory.states[node_id] = state
        self._touched[node_id] = state
        return state

    def _count_losses(self, node_id: int, started_s: float, figures: Any) -> None:
        """Packets lost since the figures were stored last; fewer, where late ones have come."""
        state = self._memory.states.get(node_id)
        if state is None:
            return
        lost, ratio = int(figures.get("lost", 0)), figures.get("loss_ratio")
        key = node_id, started_s
        before = self._memory.lost.get(key)
        if before is None:
            is_new = self._memory.ends_hosts
            before = 0 if is_new else self._names.lost_before(node_id, started_s)
        self._memory.lost[key] = lost
        if lost != before:
            self._by_hour["node"][node_id, _hour(state["heard_s"])][2] += lost - before
        if state["loss_ratio"] != ratio:
            state["loss_ratio"] = ratio
            self._touched[node_id] = state


KEY = tuple(RESULTS.primary_key.columns.keys())
BY_HOUR = (
    (
        LINK_HOUR,
        "link",
        ("node_id", "hour", "gateway"),
        ("n_packets", "n_bytes", "snr_n", "snr_sum", "rssi_n", "rssi_sum"),
    ),
    (NODE_HOUR, "node", ("node_id", "hour"), ("n_packets", "n_bytes", "n_lost", "n_images")),
    (LABEL_HOUR, "label", ("node_id", "hour", "decoder_id", "label_id"), ("n",)),
    (REFUSALS_HOUR, "refusal", ("site_id", "hour", "reason"), ("n",)),
)
"Each table by hour: its sums here, its key, and what is added up."


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEY)


def _is_known(before: dict[str, Any], row: dict[str, Any]) -> bool:
    """Whether as much was said already, by the same decoder. A team's image may begin anew, with
    another card's bitstream.
    """
    if _key(before) == _key(row):
        return True
    is_same = before["decoder_id"] == row["decoder_id"] and row["alive"] is None
    return is_same and row["rev"] <= before["rev"]


def _hour(unix_s: float) -> int:
    return int(unix_s // HOUR_S)


def days_of(receipts: Iterable[Receipt], totals: Totals | None) -> set[int]:
    """Unix days on which these came."""
    times = [receipt.received_s for receipt in receipts]
    times += [again.received_s for again in totals.heard_again] if totals else []
    return {int(unix_s // 86_400) for unix_s in times}
