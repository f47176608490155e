"""Erasure: parity for links on which nobody answers, so that lost packets come back without being
asked for.

    packets     0 1 2 3 4 5 6 7 8 9 …15   two groups of 8, interleaved: a burst of losses hits each
                of them half
    groups      a b a b a b a b a b …b
    parity      a0 b0 a1 b1               with 8+2 each group survives any 2 losses, parity packets
                included

Every packet goes out as it is (the code is systematic); parity costs airtime only, no delay where
nothing is lost. A group's data symbols are the bodies of its packets, before sealing, each ended by
one byte that is never zero (it names DATA or BATCH) and filled with zeros to the longest. The
parity symbols are those of the Reed–Solomon code over GF(256) with polynomial 0x11d and roots 2^0 …
2^(n_parity - 1), byte by byte. Any n of a group's n + n_parity symbols give all.

Because PARITY is sealed like the rest and covers bodies that were, a recovered body is as genuine
as a received one.
"""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from link.base.recent import Recent
from link.wire.control import MAX_MEMBERS, MAX_PARITY, Parity
from link.wire.packet import PacketType

if TYPE_CHECKING:
    from reedsolo import RSCodec

REMEMBERED = 64
"Bodies, and groups in want of one, that a decoder keeps."
WIDEST_GAP = 256
"""Counters from one member of a group to the next: more of them would make the head of PARITY
longer.
"""
END_MARKS = {PacketType.DATA: 1, PacketType.BATCH: 2}
TYPES = {mark: packet_type for packet_type, mark in END_MARKS.items()}


@dataclass(frozen=True)
class ParityPlan:
    """How much parity for how many packets; 8+2 costs a quarter more airtime."""

    n_data: int = 8
    "Packets in a full group."
    n_parity: int = 2
    "Losses that a group survives."
    depth: int = 2
    "Groups that take turns: a burst of up to depth · n_parity packets loses nothing."

    def __post_init__(self) -> None:
        for name, value, most in (
            ("data", self.n_data, MAX_MEMBERS),
            ("parity", self.n_parity, MAX_PARITY),
            ("interleaved groups", self.depth, MAX_MEMBERS),
        ):
            if not 1 <= value <= most:
                raise ValueError(
                    f"a parity plan with {value} {name} cannot be; from 1 to {most} can"
                )

    @property
    def room_bytes(self) -> int:
        """How much longer a PARITY body may be than the longest body it covers: those must stay
        that much shorter.
        """
        return 3 + (self.n_data - 1) + 1


class Recovered(NamedTuple):
    """The body of a packet that never arrived."""

    counter: int
    body: bytes
    packet_type: PacketType


class ParityEncoder:
    """The sender's half: told of every DATA and BATCH packet, says which PARITY packets to send
    after it.
    """

    def __init__(self, plan: ParityPlan) -> None:
        self._plan = plan
        self._groups: list[dict[int, bytes]] = [{} for _ in range(plan.depth)]
        "Data symbols by counter."
        self._n_pushed = 0

    def push(self, counter: int, body: bytes, packet_type: PacketType) -> list[Parity]:
        """Take part of a packet just made, its body as sealed under `counter`; counters only grow.

        The parity of all groups is due once all are full, or when one would stretch over too many
        counters.
        """
        due = self.flush() if self._is_far(counter) else []
        self._next_group()[counter] = _symbol(body, packet_type)
        self._n_pushed += 1
        return due + (
            self.flush() if self._n_pushed == self._plan.n_data * self._plan.depth else []
        )

    def flush(self) -> list[Parity]:
        """The parity of what was pushed since the last: dear for half-empty groups, so for the end
        or a long pause.
        """
        groups = [group for group in self._groups if group]
        self._groups = [{} for _ in range(self._plan.depth)]
        self._n_pushed = 0
        symbols = [_parity_symbols(list(group.values()), self._plan.n_parity) for group in groups]
        return [
            Parity(tuple(group), index, self._plan.n_parity, rows[index])
            for index in range(self._plan.n_parity)
            for group, rows in zip(groups, symbols, strict=True)
        ]

    def _next_group(self) -> dict[int, bytes]:
        return self._groups[self._n_pushed % self._plan.depth]

    def _is_far(self, counter: int) -> bool:
        group = self._next_group()
        return bool(group) and counter - max(group) > WIDEST_GAP


class ParityDecoder:
    """The host's half, one for each session of a node: whatever arrives goes in, what was lost
    comes out.

    A body may come out that was received long ago or arrives later still; the replay window tells.
    """

    def __init__(self) -> None:
        self._bodies: Recent[int, bytes] = Recent(REMEMBERED)
        "By counter, as data symbols without their padding."
        self._wanting: Recent[tuple[int, ...], dict[int, Parity]] = Recent(REMEMBERED)
        "By group: parity by its index, of groups that lack more packets than they have parity."

    def push(self, counter: int, body: bytes, packet_type: PacketType) -> list[Recovered]:
        """A DATA or BATCH packet was received: what this brings back of others."""
        self._bodies[counter] = _symbol(body, packet_type)
        return [
            back
            for members in list(self._wanting)
            if counter in members
            for back in self._recover(members)
        ]

    def push_parity(self, parity: Parity) -> list[Recovered]:
        """A PARITY packet was received: what this brings back."""
        known = self._wanting.setdefault(parity.members, {})
        if any(not _is_same_group(parity, other) for other in known.values()):
            return []
        known[parity.index] = parity
        return self._recover(parity.members)

    def _recover(self, members: tuple[int, ...]) -> list[Recovered]:
        known = self._wanting[members]
        missing = [member for member in members if member not in self._bodies]
        if len(missing) > len(known):
            return []
        del self._wanting[members]
        if not missing:
            return []
        try:
            symbols = _solve([self._bodies.get(member) for member in members], known)
            recovered = [_recovered(member, symbols[members.index(member)]) for member in missing]
        except ValueError:
            return []
        for back in recovered:
            self._bodies[back.counter] = _symbol(back.body, back.packet_type)
        return recovered


def _symbol(body: bytes, packet_type: PacketType) -> bytes:
    return body + bytes([END_MARKS[packet_type]])


def _recovered(counter: int, padded: bytes) -> Recovered:
    """Raises ValueError when the symbol does not end as one does."""
    symbol = padded.rstrip(b"\0")
    if not symbol or symbol[-1] not in TYPES:
        raise ValueError(
            f"the symbol of packet {counter} ends in {symbol[-1:].hex() or 'zeros only'}"
        )
    return Recovered(counter, symbol[:-1], TYPES[symbol[-1]])


def _is_same_group(parity: Parity, other: Parity) -> bool:
    return parity.n_parity == other.n_parity and len(parity.symbol) == len(other.symbol)


@cache
def _codec(n_parity: int) -> "RSCodec":
    # Loaded where parity is used: whoever only asks for formats and lines has Python alone.
    from reedsolo import RSCodec

    return RSCodec(n_parity)


def _parity_symbols(symbols: list[bytes], n_parity: int) -> list[bytes]:
    """n_parity symbols over data symbols of any lengths, each as long as the longest of them."""
    columns = _columns(symbols, max(map(len, symbols)))
    parity = [bytes(_codec(n_parity).encode(column)[len(symbols) :]) for column in columns]
    return [bytes(row) for row in zip(*parity, strict=True)]


def _solve(data: list[bytes | None], known: dict[int, Parity]) -> list[bytes]:
    """All data symbols of a group, padded, from those that are there.

    Raises ValueError when they do not belong together, as far as that shows.
    """
    from reedsolo import ReedSolomonError

    some = next(iter(known.values()))
    parity = [known[index].symbol if index in known else None for index in range(some.n_parity)]
    symbols = [*data, *parity]
    lost = [place for place, symbol in enumerate(symbols) if symbol is None]
    columns = _columns([symbol or b"" for symbol in symbols], len(some.symbol))
    codec = _codec(some.n_parity)
    try:
        solved = [codec.decode(column, erase_pos=lost, only_erasures=True)[0] for column in columns]
    except ReedSolomonError as error:
        raise ValueError("the symbols are not of one group") from error
    return [bytes(row) for row in zip(*solved, strict=True)]


def _columns(symbols: list[bytes], n_bytes: int) -> list[bytes]:
    """Byte i of every symbol, for each i: what one codeword is made of; ValueError when a symbol is
    longer.
    """
    padded = [symbol.ljust(n_bytes, b"\0") for symbol in symbols]
    return [bytes(column) for column in zip(*padded, strict=True)]
