"""Airtime: how long an answer's packet is on the air, and how many a node may send in an hour, by
region and spreading factor.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from link.medium import get_profile, rules_for
from link.wire import Chunk

PLACES = (
    ("Europe, 868.0-868.6 MHz, 1 % of an hour", "eu868", 868_300_000, "lora-sf{}-eu868"),
    ("Europe, 869.4-869.65 MHz, 10 %", "eu868", 869_525_000, "lora-sf{}-eu868-10pct"),
    ("US, 902-928 MHz, 0.4 s in 20 s on one frequency", "us915", 915_000_000, "lora-sf{}-us915"),
)
"In words, then region, frequency and link profile."
SPREADING_FACTORS = range(7, 13)
HOUR_S = 3600.0


@dataclass(frozen=True)
class Row:
    """One region and spreading factor."""

    place: str
    spreading_factor: int
    airtime_s: float
    answers_per_hour: float


def packet_bytes(n_bytes: int) -> int:
    """A sealed packet that carries one image's bitstream."""
    return Chunk(image=0, index=0, is_last=True, bitstream=bytes(n_bytes)).packet_bytes


def rows(n_bytes: Sequence[int]) -> Iterator[Row]:
    """By bytes of each image's bitstream; none where a packet would be too long for the rules."""
    packets = [packet_bytes(int(n)) for n in n_bytes]
    for place, region, frequency_hz, pattern in PLACES:
        for spreading_factor in SPREADING_FACTORS:
            try:
                profile = get_profile(pattern.format(spreading_factor))
            except ValueError:  # the dwell time allows none
                continue
            if max(packets) > profile.max_packet_bytes:
                continue
            limits = rules_for(region, frequency_hz, profile).limits
            airtime_s = sum(map(profile.airtime_s, packets)) / len(packets)
            share = min((limit.airtime_s / limit.window_s for limit in limits), default=1.0)
            yield Row(place, spreading_factor, airtime_s, share * HOUR_S / airtime_s)
