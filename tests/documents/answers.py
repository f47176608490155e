"""Answers: how many images a day a region's rules leave time for, by the link's own airtime."""

from link.medium import get_profile
from link.medium.regions import rules_for
from tests.documents.markdown import table

DAY_S = 24 * 3600
BITSTREAM_BYTES = 5
"`models/cifar10` takes 4.9 on average."
AROUND_BYTES = 11
"Header, seal and place in a radio packet."
PLACES = {
    "EU868, 869.4 to 869.65 MHz": ("eu868", 869_525_000),
    "EU868, 868.0 to 868.6 MHz": ("eu868", 868_300_000),
    "US915, one frequency": ("us915", 915_000_000),
}
SPREADING_FACTORS = (7, 9, 10, 12)


def a_day(place: str, spreading_factor: int) -> float:
    """Images of a packet of their own that the rules allow in a day; 0 where no packet may fly."""
    region, frequency_hz = PLACES[place]
    profile = get_profile(f"rn2483-sf{spreading_factor}")
    rules = rules_for(region, frequency_hz, profile)
    assert rules.silent_because is None, rules.silent_because
    airtime_s = profile.airtime_s(AROUND_BYTES + BITSTREAM_BYTES)
    if rules.dwell_s is not None and airtime_s > rules.dwell_s:
        return 0
    return DAY_S * min(limit.airtime_s / limit.window_s for limit in rules.limits) / airtime_s


def table_of() -> str:
    rows = [
        (place, *(_shown(a_day(place, factor)) for factor in SPREADING_FACTORS)) for place in PLACES
    ]
    return table(("answers a day, at most", *(f"SF{one}" for one in SPREADING_FACTORS)), rows)


def _shown(images: float) -> str:
    """Two digits, rounded down: a promise."""
    if not images:
        return "none: too long a packet"
    step = 10 ** (len(str(int(images))) - 2)
    return f"{int(images // step * step):,}"
