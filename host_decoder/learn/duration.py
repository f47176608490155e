"""Duration: how long one exchange of global training takes over a radio that may speak only a share
of the time, reckoned from the link's own airtime and the rules of the region.

    latentlink gateway --days                            the table of docs/global.md

Reckoned is the steady state, without losses: each packet waits until its airtime is earned. The
message comes down first, then the update goes up; what a device asks meanwhile, and what answers
it, is counted.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat

from host_decoder.learn.post import PARTS_AT_ONCE
from link.medium import LinkProfile, get_profile, rules_for
from link.messages import HAVE_BYTES, cut

UP_BYTES, DOWN_BYTES, N_GROUPS = 3760, 2690, 8
"The usual recipe's: an update, a round's message, and how many rounds lie between two turns."
N_TURNS = 488
"A device's in 40 epochs of CIFAR-10 (50,000 images, 128 of each of four devices a round)."
PIECE_AROUND, PIECE_SPARED = 11, 5
"Around a piece that goes up; and left free, so that it can be sent however long it waited."
PART_AROUND, PART_SPARED = 13, 8
"The same of one that comes down."
REPORT_BYTES = 20
DAY_S = 86_400.0
N_COLUMNS = 4
"In the table, for each place."


@dataclass(frozen=True)
class Place:
    """Where a radio is."""

    name: str
    region: str
    frequency_hz: int
    suffix: str = ""
    "With which the profiles' names end there."


PLACES = (
    Place("EU868, 1 %", "eu868", 868_100_000),
    Place("EU868, 10 %", "eu868", 869_525_000),
    Place("US915", "us915", 915_000_000, "-us915"),
)
SPREADING_FACTORS = (7, 8, 9, 10, 11, 12)


@dataclass(frozen=True)
class Duration:
    """What each of the two ends has on the air, and how long that takes."""

    up_s: float
    down_s: float
    share: float

    @property
    def days(self) -> float:
        return (self.up_s + self.down_s) / self.share / DAY_S


def update_up(profile: LinkProfile, share: float, n_bytes: int = UP_BYTES) -> Duration:
    """An update; ValueError where no piece fits a packet."""
    room = profile.max_packet_bytes - PIECE_AROUND - PIECE_SPARED
    pieces = [PIECE_AROUND + len(piece) for piece in cut(bytes(n_bytes), room)]
    n_reports = -(-len(pieces) // PARTS_AT_ONCE)
    return Duration(_s(profile, pieces), _s(profile, repeat(REPORT_BYTES, n_reports)), share)


def message_down(profile: LinkProfile, share: float, n_bytes: int = DOWN_BYTES) -> Duration:
    """A round's message, for which the device asks."""
    room = profile.max_packet_bytes - PART_AROUND - PART_SPARED
    parts = [PART_AROUND + len(part) for part in cut(bytes(n_bytes), room)]
    n_asked = 1 + -(-len(parts) // PARTS_AT_ONCE)
    down = chain(parts, repeat(REPORT_BYTES, n_asked))
    return Duration(
        _s(profile, repeat(PIECE_AROUND + HAVE_BYTES, n_asked)), _s(profile, down), share
    )


def _s(profile: LinkProfile, packets: Iterable[int]) -> float:
    return sum(map(profile.airtime_s, packets))


def share_of(place: Place, profile: LinkProfile) -> float:
    """The share of the time that a sender may speak."""
    rules = rules_for(place.region, place.frequency_hz, profile)
    assert rules.silent_because is None, rules.silent_because
    return min(limit.airtime_s / limit.window_s for limit in rules.limits)


def rows() -> Iterator[list[str]]:
    """The table: for each spreading factor, what an update and a turn take in each place."""
    for spreading_factor in SPREADING_FACTORS:
        row = [f"SF{spreading_factor}"]
        for place in PLACES:
            try:
                profile = get_profile(f"lora-sf{spreading_factor}{place.suffix}")
                share = share_of(place, profile)
                up, down = update_up(profile, share), message_down(profile, share)
                turn_days = up.days + N_GROUPS * down.days
                row += [f"{24 * up.days:.1f}", f"{24 * down.days:.1f}"]
                row += [f"{turn_days:.2f}", f"{N_TURNS * turn_days:.0f}"]
            except ValueError:
                row += ["–"] * N_COLUMNS  # too slow to be allowed there, or no piece fits
        yield row


def table() -> str:
    """Markdown."""
    heads = ["", *chain.from_iterable((place.name, "", "", "") for place in PLACES)]
    second = ["", *["update up, h", "message down, h", "turn, days", "run, days"] * len(PLACES)]
    lines = [heads, ["---"] * len(heads), second, *rows()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
