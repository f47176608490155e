"""Control bodies: what the ends tell each other beside the images. docs/wire-format.md draws them.

    uplink     HELLO (who I am), STATUS (how I am), PARITY (what repairs lost packets)
    downlink   REPORT (what came, what is enough), COMMAND (do this), TIME (what time it is)

Every `unpack` raises ValueError when the body is not what it should be.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from link.wire.packet import COUNTER_LOW_BITS, at_most, pack_duration, unpack_duration

REPORT_BYTES = 8
REPORT_SPAN = 16
"Counters that one report speaks of."
COUNTER_BYTES = 6
BUNDLE_ID_BYTES = 8
STATUS_BYTES = 8
MAX_FAULT_BYTES = 100
"The length of a sentence on what keeps a node from its work."
MAX_ADVISED_CHUNKS = 7
MAX_PARITY = 16
MAX_MEMBERS = 16
"The most chunks of one parity group; more than that makes a node wait long for its parity."
MAX_PARITY_LAG = 255
"Counters from the newest member of a group to the packet that carries its parity."

SNR_LOWEST_DB, SNR_STEP_DB = -20.0, 2.0
RSSI_LOWEST_DBM, RSSI_STEP_DBM = -135.0, 5.0
UNKNOWN_NIBBLE = 15
UNLIMITED_BUDGET = 31
BUDGET_STEPS_PER_OCTAVE = 2
TIME_STEPS_PER_S = 256


@dataclass(frozen=True)
class Quality:
    """How well a frame was heard; None where the carrier cannot tell."""

    snr_db: float | None = None
    rssi_dbm: float | None = None

    def pack(self) -> int:
        """One byte: 2 dB steps of SNR from -20, 5 dB steps of RSSI from -135 dBm."""
        snr = _nibble(self.snr_db, SNR_LOWEST_DB, SNR_STEP_DB)
        return snr << 4 | _nibble(self.rssi_dbm, RSSI_LOWEST_DBM, RSSI_STEP_DBM)

    @classmethod
    def unpack(cls, code: int) -> "Quality":
        snr, rssi = code >> 4, code & 15
        return cls(
            None if snr == UNKNOWN_NIBBLE else SNR_LOWEST_DB + SNR_STEP_DB * snr,
            None if rssi == UNKNOWN_NIBBLE else RSSI_LOWEST_DBM + RSSI_STEP_DBM * rssi,
        )


NO_QUALITY = Quality()


@dataclass(frozen=True)
class Report:
    """The host's answer to a batch: which of the 16 latest packets are stored, and which images
    need no more.
    """

    highest: int
    "Counter of the newest packet heard."
    received: int
    "Bit i: packet highest - i is stored."
    enough: int = 0
    """Bit i speaks of the i-th newest chunk in the packets received: newest packet first, in a
    BATCH its last first. Set: the chunk's image needs no more.
    """
    quality: Quality = NO_QUALITY
    n_chunks: int | None = None
    """Chunks of an image that the host finds worth sending without being asked, 1 to 7; None: no
    advice.
    """
    budget_s: float | None = None
    "Airtime that the host may still use now; None: it is not limited."

    def pack(self) -> bytes:
        bitmaps = (self.received & 0xFFFF) << 16 | self.enough & 0xFFFF
        advice = min(self.n_chunks or 0, MAX_ADVISED_CHUNKS) << 5 | _pack_budget(self.budget_s)
        low = self.highest % (1 << COUNTER_LOW_BITS)
        return (
            low.to_bytes(2, "big")
            + bitmaps.to_bytes(4, "big")
            + bytes([self.quality.pack(), advice])
        )

    @classmethod
    def unpack(cls, body: bytes, latest: int) -> "Report":
        """`latest` is the counter that the node used last."""
        _check_length("REPORT", body, REPORT_BYTES)
        highest = at_most(latest, int.from_bytes(body[:2], "big"), COUNTER_LOW_BITS)
        if highest < 0:
            raise ValueError("a report speaks of a packet that was never sent")
        received, enough = int.from_bytes(body[2:4], "big"), int.from_bytes(body[4:6], "big")
        n_chunks = body[7] >> 5 or None
        return cls(
            highest,
            received,
            enough,
            Quality.unpack(body[6]),
            n_chunks,
            _unpack_budget(body[7] & 31),
        )

    def received_counters(self) -> list[int]:
        """Newest first."""
        return [
            self.highest - i
            for i in range(REPORT_SPAN)
            if self.received >> i & 1 and self.highest >= i
        ]

    def enough_places(self) -> list[int]:
        """Which of the newest chunks; 0 is the newest."""
        return [place for place in range(REPORT_SPAN) if self.enough >> place & 1]


@dataclass(frozen=True)
class Advance:
    """Go on above this counter: the node's is behind what the host has seen, or its session is
    unknown here.
    """

    counter: int


@dataclass(frozen=True)
class Renew:
    """Draw a new salt; over LoRaWAN: say HELLO again."""


@dataclass(frozen=True)
class Slot:
    """Speak only from start_in_s after this frame's end, for width_s, and again every period_s."""

    start_in_s: float
    period_s: float
    width_s: float


@dataclass(frozen=True)
class AskStatus:
    """Send a STATUS."""


@dataclass(frozen=True)
class LongTags:
    """Tell the salt in every packet, so that each has a long tag, and say so by HELLO; or do so no
    more.
    """

    wanted: bool


@dataclass(frozen=True)
class Part:
    """A piece of a message to who learns on the node (link.messages)."""

    content: bytes


Command = Advance | Renew | Slot | AskStatus | LongTags | Part
OPCODES = {Advance: 1, Renew: 2, Slot: 3, AskStatus: 4, LongTags: 5, Part: 6}


def pack_command(command: Command) -> bytes:
    opcode = bytes([OPCODES[type(command)]])
    if isinstance(command, Advance):
        return opcode + command.counter.to_bytes(COUNTER_BYTES, "big")
    if isinstance(command, Slot):
        fields = ((command.start_in_s, 3), (command.period_s, 3), (command.width_s, 2))
        return opcode + b"".join(_pack_ms(value, n_bytes) for value, n_bytes in fields)
    if isinstance(command, LongTags):
        return opcode + bytes([command.wanted])
    if isinstance(command, Part):
        return opcode + command.content
    return opcode


def unpack_command(body: bytes) -> Command:
    opcode, arguments = body[:1], body[1:]
    if opcode == bytes([OPCODES[Advance]]):
        _check_length("COMMAND ADVANCE", arguments, COUNTER_BYTES)
        return Advance(int.from_bytes(arguments, "big"))
    if opcode == bytes([OPCODES[Slot]]):
        _check_length("COMMAND SLOT", arguments, 8)
        return Slot(
            *(
                int.from_bytes(part, "big") / 1000
                for part in (arguments[:3], arguments[3:6], arguments[6:])
            )
        )
    if opcode == bytes([OPCODES[LongTags]]):
        _check_length("COMMAND LONG TAGS", arguments, 1)
        return LongTags(bool(arguments[0] & 1))
    if opcode == bytes([OPCODES[Part]]):
        return Part(arguments)
    for kind in (Renew, AskStatus):
        if opcode == bytes([OPCODES[kind]]):
            _check_length("COMMAND", arguments, 0)
            return kind()
    raise ValueError(f"command {opcode.hex() or 'without an opcode'} is unknown; update this node")


@dataclass(frozen=True)
class Time:
    """Unix time at which the last symbol of this frame arrives; good until 2106."""

    unix_s: float

    def pack(self) -> bytes:
        return round(self.unix_s * TIME_STEPS_PER_S).to_bytes(5, "big")

    @classmethod
    def unpack(cls, body: bytes) -> "Time":
        _check_length("TIME", body, 5)
        return cls(int.from_bytes(body, "big") / TIME_STEPS_PER_S)


@dataclass(frozen=True)
class Hello:
    """A node's session begins, or goes on without an image to carry its salt."""

    bundle_id: bytes
    wants_time: bool = False
    wants_slot: bool = False
    has_long_tags: bool = False
    "Every packet of this session tells its salt from now on, until a HELLO says otherwise."

    def pack(self) -> bytes:
        flags = self.has_long_tags << 2 | self.wants_slot << 1 | self.wants_time
        return self.bundle_id + (bytes([flags]) if flags else b"")

    @classmethod
    def unpack(cls, body: bytes) -> "Hello":
        if len(body) not in (BUNDLE_ID_BYTES, BUNDLE_ID_BYTES + 1):
            raise ValueError(
                f"body of a HELLO has {len(body)} bytes, it must have {BUNDLE_ID_BYTES} or one more"
            )
        flags = int.from_bytes(body[BUNDLE_ID_BYTES:], "big")
        return cls(
            body[:BUNDLE_ID_BYTES], bool(flags & 1), bool(flags >> 1 & 1), bool(flags >> 2 & 1)
        )


@dataclass(frozen=True)
class Status:
    """How a node is: its queue, its airtime and what it heard. Counts wrap around."""

    queue_images: int
    oldest_age_s: float | None
    "The age of the oldest image that waits; None: none waits, or its age is unknown."
    budget_s: float | None
    "Airtime that the node may still use now; None: it is not limited."
    n_evicted: int = 0
    "Images dropped from a full queue, modulo 65,536."
    n_heard: int = 0
    "Downlink packets opened, modulo 256."
    n_bad: int = 0
    "Downlink packets that did not open, modulo 256."
    fault: str | None = None
    "What keeps the node from its work: it captures nothing. None: it works."

    def pack(self) -> bytes:
        queue = min(self.queue_images, 0xFFFF).to_bytes(2, "big")
        durations = bytes([pack_duration(self.oldest_age_s), pack_duration(self.budget_s)])
        return (
            queue
            + durations
            + (self.n_evicted % 65536).to_bytes(2, "big")
            + bytes([self.n_heard % 256])
            + bytes([self.n_bad % 256])
            + (self.fault or "").encode()
        )

    @classmethod
    def unpack(cls, body: bytes) -> "Status":
        if len(body) < STATUS_BYTES:
            raise ValueError(
                f"body of a STATUS has {len(body)} bytes, it must have {STATUS_BYTES} or more"
            )
        text = body[STATUS_BYTES:].decode(errors="replace")
        return cls(
            queue_images=int.from_bytes(body[:2], "big"),
            oldest_age_s=unpack_duration(body[2]),
            budget_s=unpack_duration(body[3]),
            n_evicted=int.from_bytes(body[4:6], "big"),
            n_heard=body[6],
            n_bad=body[7],
            fault="".join(letter if letter.isprintable() else "?" for letter in text) or None,
        )


@dataclass(frozen=True)
class Parity:
    """One Reed–Solomon symbol over the bodies of a group of packets (link.wire.erasure).

    place    index of this symbol (4 bits) | number of the group's symbols - 1 (4)
    shape    number of members - 1 (4 bits) | width (4)
    back     from this packet's counter down to the newest member
    steps    from each member down to the next older one, less 1, `width` bits each, zeros to the
             end of the byte
    symbol   the rest
    """

    members: tuple[int, ...]
    "Counters of the group, ascending, at most MAX_MEMBERS."
    index: int
    "The place of this parity symbol, 0 to n_parity - 1."
    n_parity: int
    symbol: bytes

    def pack(self, counter: int) -> bytes:
        """Body of the PARITY packet sent under `counter`; raises ValueError when its group lies too
        far back.
        """
        back = counter - self.members[-1]
        if back > MAX_PARITY_LAG:
            raise ValueError(
                f"parity is sent {back} counters after its group, at most {MAX_PARITY_LAG} can be "
                "told"
            )
        steps = [newer - older - 1 for older, newer in pairwise(self.members)][::-1]
        width = max(steps, default=0).bit_length()
        place, shape = self.index << 4 | self.n_parity - 1, len(steps) << 4 | width
        return bytes([place, shape, back]) + _pack_steps(steps, width) + self.symbol

    @classmethod
    def unpack(cls, body: bytes, counter: int) -> "Parity":
        if len(body) < 3:
            raise ValueError(
                f"body of a PARITY has {len(body)} bytes, its head alone has 3 or more"
            )
        index, n_parity = body[0] >> 4, (body[0] & 15) + 1
        n_steps, width, newest = body[1] >> 4, body[1] & 15, counter - body[2]
        end = 3 + -(-n_steps * width // 8)
        if len(body) <= end:
            raise ValueError(
                f"body of a PARITY has {len(body)} bytes, with a symbol it has more than {end}"
            )
        descending = [newest]
        for step in _unpack_steps(body[3:end], n_steps, width):
            descending.append(descending[-1] - 1 - step)
        if newest >= counter or descending[-1] < 0 or index >= n_parity:
            raise ValueError(
                f"a PARITY names packets {descending} and place {index} of {n_parity}: that "
                "cannot be"
            )
        return cls(tuple(descending[::-1]), index, n_parity, body[end:])


def cut_fault(sentence: str | None, room_bytes: int) -> str | None:
    """As much of a fault as a STATUS with that room has place for; only whole letters."""
    if sentence is None:
        return None
    return sentence.encode()[: max(0, min(room_bytes, MAX_FAULT_BYTES))].decode(errors="ignore")


def _pack_steps(steps: Sequence[int], width: int) -> bytes:
    """Numbers of `width` bits one behind the other, zeros to the end of the last byte."""
    n_bytes = -(-len(steps) * width // 8)
    bits = sum(step << width * place for place, step in enumerate(reversed(steps)))
    return (bits << 8 * n_bytes - width * len(steps)).to_bytes(n_bytes, "big")


def _unpack_steps(data: bytes, n_steps: int, width: int) -> list[int]:
    bits = int.from_bytes(data, "big") >> 8 * len(data) - width * n_steps
    return [bits >> width * place & (1 << width) - 1 for place in reversed(range(n_steps))]


def _nibble(value: float | None, lowest: float, step: float) -> int:
    return (
        UNKNOWN_NIBBLE
        if value is None
        else min(UNKNOWN_NIBBLE - 1, max(0, round((value - lowest) / step)))
    )


def _pack_budget(budget_s: float | None) -> int:
    """5 bits, 2 steps per octave of 1 s + budget, rounded down: an end never believes it has more
    than it has.
    """
    if budget_s is None:
        return UNLIMITED_BUDGET
    return min(
        UNLIMITED_BUDGET - 1, int(BUDGET_STEPS_PER_OCTAVE * math.log2(1 + max(0.0, budget_s)))
    )


def _unpack_budget(code: int) -> float | None:
    return None if code == UNLIMITED_BUDGET else 2 ** (code / BUDGET_STEPS_PER_OCTAVE) - 1


def _pack_ms(duration_s: float, n_bytes: int) -> bytes:
    return min(round(1000 * duration_s), (1 << 8 * n_bytes) - 1).to_bytes(n_bytes, "big")


def _check_length(name: str, body: bytes, n_bytes: int) -> None:
    if len(body) != n_bytes:
        raise ValueError(f"body of a {name} has {len(body)} bytes, it must have {n_bytes}")
