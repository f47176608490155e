"""Regions: what a radio may do where it is. Not legal advice: who transmits is answerable for it.

    eu868   EN 300 220-2 V3.2.1: a share of any hour, by sub-band
    us915   FCC 15.247: a node that stays on one frequency speaks there for 0.4 s in 20 s, as one
            channel of a hopping system does; with 500 kHz and more (digital modulation) as long as
            it likes
    wire    no radio: a cable, a bench, an emulator. The profile's own duty cycle still holds

A radio whose region is not set stays silent.
"""

from dataclasses import dataclass
from pathlib import Path

from link.base.clock import boot_id, boot_s
from link.medium.airtime import FskConfig, LoRaConfig
from link.medium.governor import AirtimeLimit, Governor
from link.medium.ledger import Ledger, StoredLedger
from link.medium.profiles import US915_DWELL_S, LinkProfile, get_profile

HOUR_S = 3600.0
US915_HOP_S = 20.0
"In which one channel may be occupied for US915_DWELL_S."
US915_BAND_HZ = (902_000_000, 928_000_000)
US915_WIDE_HZ = 500_000
"From this bandwidth on the rules of digital modulation apply."

FAIR_WINDOW_S = 300.0
FAIR_SHARE = 0.25
"""The share of an hour's airtime, as much as FAIR_WINDOW_S may take: others get a turn, and so does
the next image.
"""
BLOCKS_PER_LIMIT = 20
"A crash wastes this part of what a window allows."


@dataclass(frozen=True)
class SubBand:
    """Part of a band with its duty cycle over an hour."""

    lowest_hz: int
    highest_hz: int
    duty_cycle: float

    def holds(self, lowest_hz: float, highest_hz: float) -> bool:
        return self.lowest_hz <= lowest_hz and highest_hz <= self.highest_hz

    def __str__(self) -> str:
        return (
            f"{self.lowest_hz / 1e6:g}-{self.highest_hz / 1e6:g} MHz ({100 * self.duty_cycle:g} %)"
        )


EU868 = (
    SubBand(863_000_000, 865_000_000, 0.001),
    SubBand(865_000_000, 868_000_000, 0.01),
    SubBand(868_000_000, 868_600_000, 0.01),
    SubBand(868_700_000, 869_200_000, 0.001),
    SubBand(869_400_000, 869_650_000, 0.10),
    SubBand(869_700_000, 870_000_000, 0.01),
)
NARROW = "lora-sf7"
"A profile of 125 kHz."
REGIONS = ("eu868", "us915", "wire")


@dataclass(frozen=True)
class Rules:
    """What a region allows a sender on one frequency."""

    limits: tuple[AirtimeLimit, ...] = ()
    dwell_s: float | None = None
    silent_because: str | None = None


def rules_for(region: str | None, frequency_hz: int | None, profile: LinkProfile) -> Rules:
    """ValueError when there is no such region; what it forbids makes the sender silent."""
    if region is None:
        return _unset(profile)
    if region not in REGIONS:
        raise ValueError(f'there is no region "{region}"; there are: {", ".join(REGIONS)}')
    if region == "wire":
        return Rules(_hourly(profile.duty_cycle, profile))
    if not profile.is_radio:
        return Rules(
            silent_because=(
                f'profile {profile.name} is no radio: set region = "wire", or a radio\'s profile'
            )
        )
    if frequency_hz is None:
        return Rules(
            silent_because=(
                f"region {region} is set, but no frequency_hz: set the one the modem sends on"
            )
        )
    return _RULES[region](frequency_hz, profile)


def never_speaks(region: str | None, frequency_hz: int | None, profile: LinkProfile) -> str | None:
    """Why a sender with such settings could never speak; None when it may.

    Of an E22, whose bandwidth is an estimate (link.medium.profiles), it takes a frequency where not
    even 125 kHz are allowed; where only the estimate is in the way its governor is silent, and says
    so. ValueError as rules_for.
    """
    reason = rules_for(region, frequency_hz, profile).silent_because
    is_estimate = profile.carrier == "e22"
    return (
        rules_for(region, frequency_hz, get_profile(NARROW)).silent_because
        if reason and is_estimate
        else reason
    )


def governor_for(
    region: str | None,
    frequency_hz: int | None,
    profile: LinkProfile,
    ledger_path: Path | str | None = None,
    *,
    now_s: float | None = None,
    boot: str | None = None,
) -> Governor:
    """The governor of one sender; its ledger is kept at ledger_path, or in memory only.

    now_s and boot are the machine's unless a simulation brings its own. Raises ValueError for an
    unknown region.
    """
    rules = rules_for(region, frequency_hz, profile)
    return Governor(
        rules.limits,
        _ledger(rules.limits, ledger_path, now_s, boot),
        rules.dwell_s,
        rules.silent_because,
        is_paced=profile.carrier != "udp",
    )


def _ledger(
    limits: tuple[AirtimeLimit, ...], path: Path | str | None, now_s: float | None, boot: str | None
) -> Ledger | None:
    if not limits or path is None:
        return None
    hour = max(limits, key=lambda limit: limit.window_s)
    return StoredLedger(
        path,
        window_s=hour.counts_for_s,
        block_s=min(limit.airtime_s for limit in limits) / BLOCKS_PER_LIMIT,
        full_s=hour.airtime_s,
        boot_id=boot_id() if boot is None else boot,
        now_s=boot_s() if now_s is None else now_s,
    )


def _unset(profile: LinkProfile) -> Rules:
    if not profile.is_radio:
        return Rules(_hourly(profile.duty_cycle, profile))
    return Rules(
        silent_because="no region is set, so the radio stays silent: set region to the rules of "
        "the place "
        "where it is, "
        f"one of {', '.join(REGIONS)}"
    )


def _eu868(frequency_hz: int, profile: LinkProfile) -> Rules:
    half_hz = bandwidth_hz(profile) / 2
    for band in EU868:
        if band.holds(frequency_hz - half_hz, frequency_hz + half_hz):
            return Rules(_hourly(min(band.duty_cycle, profile.duty_cycle), profile))
    return Rules(
        silent_because=f"{frequency_hz / 1e6:g} MHz with {2 * half_hz / 1000:g} kHz lies in no "
        "sub-band of "
        "eu868; "
        f"set frequency_hz within {', '.join(map(str, EU868))}"
    )


def _us915(frequency_hz: int, profile: LinkProfile) -> Rules:
    half_hz = bandwidth_hz(profile) / 2
    lowest_hz, highest_hz = US915_BAND_HZ
    if not lowest_hz <= frequency_hz - half_hz <= frequency_hz + half_hz <= highest_hz:
        return Rules(
            silent_because=f"{frequency_hz / 1e6:g} MHz is outside us915; set frequency_hz from "
            f"{lowest_hz / 1e6:g} to {highest_hz / 1e6:g} MHz"
        )
    own = _hourly(profile.duty_cycle, profile)
    if bandwidth_hz(profile) >= US915_WIDE_HZ:
        return Rules(own)
    return Rules((AirtimeLimit(US915_HOP_S, US915_DWELL_S), *own), dwell_s=US915_DWELL_S)


_RULES = {"eu868": _eu868, "us915": _us915}


def _hourly(duty_cycle: float, profile: LinkProfile) -> tuple[AirtimeLimit, ...]:
    """The duty cycle over an hour, and how much may go at once: two of the longest frames."""
    if duty_cycle >= 1:
        return ()
    hour = AirtimeLimit(HOUR_S, duty_cycle * HOUR_S)
    fair_s = max(FAIR_SHARE * hour.airtime_s, 2 * profile.longest_airtime_s)
    return (AirtimeLimit(FAIR_WINDOW_S, fair_s), hour) if fair_s < hour.airtime_s else (hour,)


def bandwidth_hz(profile: LinkProfile) -> float:
    """What a frame occupies of the spectrum; 0 of a cable."""
    if isinstance(profile.medium, LoRaConfig):
        return profile.medium.bandwidth_hz
    # FSK with the modulation index 1 that LoRaWAN uses: Carson's rule gives twice the bitrate.
    return 2 * profile.medium.bitrate_bps if isinstance(profile.medium, FskConfig) else 0.0
