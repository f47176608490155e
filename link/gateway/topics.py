"""Topics: what a gateway and a fleet's workers say to each other through an MQTT 5 broker.

    ll/1/{site}/p{nn}/{gateway}/up        a packet as it was heard, sealed (QoS 1); user property
                                          heard = "seq unix_s snr_db rssi_dbm", `-`: not known
    ll/1/{site}/gw/{gateway}/stored       JSON {"seq": [...]}: these are dealt with for good
    ll/1/{site}/gw/{gateway}/down         a packet to send now; user property
                                          after = "seq s": so long after that one was heard
    ll/1/{site}/gw/{gateway}/status       JSON, retained; the broker says {"state": "offline"};
                                          used_s, limit_s: of its airtime, where that is limited

`seq` counts what a gateway has ever heard. What is not told as stored is said again, so it may come
twice: who stores knows it by its counter. A node belongs to the partition nn, and each partition is
one MQTT session, so what a node said comes in order, to one worker at a time.
"""

import json
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from link.wire.control import NO_QUALITY, Quality

ROOT = "ll/1"
PARTITIONS = 16
"Part of the format: gateways and workers must agree on it. So many workers share the work at most."
EXPIRY_S = 1.0
"A node that was not answered by then listens no more."
NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,38}[a-z0-9])?")
"A site's, a gateway's."
STATUSES = f"{ROOT}/+/gw/+/status"
"Those of all gateways."
STATUS = re.compile(rf"{ROOT}/([^/]+)/gw/([^/]+)/status")
UP = re.compile(rf"{ROOT}/([^/]+)/p([0-9]{{2}})/([^/]+)/up")
ABSENT = "-"
MAX_SEQ = 1 << 62


def partition_of(site: str, node: int) -> int:
    """Which partition a node belongs to."""
    return zlib.crc32(f"{site}/{node}".encode()) % PARTITIONS


def up_topic(site: str, node: int, gateway: str) -> str:
    return f"{ROOT}/{site}/p{partition_of(site, node):02}/{gateway}/up"


def up_topics(partition: int) -> str:
    """All that is said to a partition."""
    return f"{ROOT}/+/p{partition:02}/+/up"


def gateway_topic(site: str, gateway: str, what: str) -> str:
    """`what`: down, stored or status."""
    return f"{ROOT}/{site}/gw/{gateway}/{what}"


def session_of(partition: int) -> str:
    """The client id of a partition's owner; whoever connects under it inherits what waits."""
    return f"ll-p{partition:02}"


def read_up_topic(topic: str) -> tuple[str, str]:
    """Site and gateway; ValueError for another topic."""
    found = UP.fullmatch(topic)
    if found is None:
        raise ValueError(f"topic {topic!r} is no gateway's")
    return found[1], found[3]


@dataclass(frozen=True)
class Uplink:
    """A packet as a gateway heard it."""

    seq: int
    unix_s: float
    "By the gateway's clock; the same however often it is said."
    packet: bytes
    quality: Quality = NO_QUALITY

    def about(self) -> dict[str, str]:
        """Its user properties."""
        figures = (self.quality.snr_db, self.quality.rssi_dbm)
        said = " ".join(ABSENT if one is None else f"{one:g}" for one in figures)
        return {"heard": f"{self.seq} {self.unix_s:.3f} {said}"}

    @classmethod
    def read(cls, payload: bytes, about: Mapping[str, str]) -> "Uplink":
        """ValueError for what `about` never says."""
        seq, unix_s, *figures = about.get("heard", "").split(" ")
        snr_db, rssi_dbm = (None if one == ABSENT else _finite(one) for one in figures)
        return cls(_seq(seq), _finite(unix_s), payload, Quality(snr_db, rssi_dbm))


@dataclass(frozen=True)
class SentDown:
    """A packet for a node, by the gateway that heard it."""

    packet: bytes
    seq: int
    "That of the packet which it answers."
    after_s: float
    "From hearing that one to sending this, as the worker means it: no two clocks need agree."

    def about(self) -> dict[str, str]:
        return {"after": f"{self.seq} {self.after_s:.3f}"}

    @classmethod
    def read(cls, payload: bytes, about: Mapping[str, str]) -> "SentDown":
        """ValueError for what `about` never says."""
        seq, after_s = about.get("after", "").split(" ")
        return cls(payload, _seq(seq), _finite(after_s))


def pack_stored(seqs: Iterable[int]) -> bytes:
    return json.dumps({"seq": list(seqs)}, separators=(",", ":")).encode()


def read_stored(payload: bytes) -> list[int]:
    """ValueError for what pack_stored never says."""
    try:
        return [_seq(str(one)) for one in json.loads(payload)["seq"]]
    except (TypeError, KeyError) as error:
        raise ValueError(f"no list of numbers ({error})") from None


def _seq(text: str) -> int:
    seq = int(text)
    if not 0 < seq < MAX_SEQ:
        raise ValueError(f"{seq} is no number of a packet")
    return seq


def _finite(text: str) -> float:
    value = float(text)
    if not abs(value) < 1e12:
        raise ValueError(f"{text} is no number here")
    return value
