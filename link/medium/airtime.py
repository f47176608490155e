"""Airtime: how long one frame occupies the channel.

Exact fractions of a second inside, a float only at the border: a reference that truncates its
symbol time to whole microseconds is wrong by milliseconds at SF12. Sources: Semtech AN1200.13
(LoRa), LoRaWAN regional parameters (FSK).
"""

from dataclasses import dataclass
from fractions import Fraction

LOW_DATA_RATE_SYMBOL_S = Fraction(16, 1000)
"""From this symbol time on a symbol carries two bits less (the datasheets' DE); both ends must
agree or hear nothing.
"""


@dataclass(frozen=True)
class LoRaConfig:
    """Radio settings; both ends hold the same."""

    spreading_factor: int = 7
    bandwidth_hz: int = 125_000
    coding_rate_denominator: int = 5
    "Code rate 4/n, n from 5 to 8."
    n_preamble_symbols: int = 8
    has_explicit_header: bool = True
    has_crc: bool = True
    low_data_rate: bool | None = None
    "None: by the 16 ms rule; True or False forces it, as some modems do."

    max_payload_bytes = 255

    def __post_init__(self) -> None:
        if self.spreading_factor in (5, 6):
            raise ValueError(
                f"SF{self.spreading_factor} has another preamble and formula, and only SX126x "
                "radios speak it: use SF7 to SF12"
            )
        if not 7 <= self.spreading_factor <= 12:
            raise ValueError(f"spreading factor is {self.spreading_factor}; LoRa has SF7 to SF12")
        if not 5 <= self.coding_rate_denominator <= 8:
            raise ValueError(f"code rate is 4/{self.coding_rate_denominator}; LoRa has 4/5 to 4/8")
        if self.bandwidth_hz <= 0:
            raise ValueError(
                f"bandwidth is {self.bandwidth_hz} Hz; LoRa has 7800 to 500000 Hz, usually 125000"
            )

    @property
    def symbol_s(self) -> Fraction:
        return Fraction(2**self.spreading_factor, self.bandwidth_hz)

    @property
    def drops_low_bits(self) -> bool:
        """DE of the datasheets: by the rule, unless it is forced."""
        return (
            self.symbol_s >= LOW_DATA_RATE_SYMBOL_S
            if self.low_data_rate is None
            else self.low_data_rate
        )

    def symbol_count(self, payload_bytes: int) -> int:
        """n_payload of AN1200.13, §4: symbols after the preamble."""
        _check_length(payload_bytes, self.max_payload_bytes)
        PL = payload_bytes
        SF = self.spreading_factor
        CRC = int(self.has_crc)
        IH = int(not self.has_explicit_header)
        DE = int(self.drops_low_bits)
        n_blocks = -(-(8 * PL - 4 * SF + 28 + 16 * CRC - 20 * IH) // (4 * (SF - 2 * DE)))
        return 8 + max(n_blocks * self.coding_rate_denominator, 0)

    def exact_airtime_s(self, payload_bytes: int) -> Fraction:
        n_preamble = self.n_preamble_symbols + Fraction(17, 4)
        return (n_preamble + self.symbol_count(payload_bytes)) * self.symbol_s

    def airtime_s(self, payload_bytes: int) -> float:
        return float(self.exact_airtime_s(payload_bytes))

    def largest_payload_bytes(self, limit_s: float) -> int:
        """The longest payload whose airtime is within limit_s, a dwell time; 0: not one byte."""
        fitting = (n for n in range(self.max_payload_bytes, 0, -1) if self.airtime_s(n) <= limit_s)
        return next(fitting, 0)


@dataclass(frozen=True)
class FskConfig:
    """FSK as LoRaWAN's fastest data rate uses it: all of a frame at one bitrate."""

    bitrate_bps: int = 50_000
    n_preamble_bytes: int = 5
    n_sync_bytes: int = 3

    max_payload_bytes = 255

    def __post_init__(self) -> None:
        _check_bitrate(self.bitrate_bps)

    def airtime_s(self, payload_bytes: int) -> float:
        _check_length(payload_bytes, self.max_payload_bytes)
        n_bytes = self.n_preamble_bytes + self.n_sync_bytes + 1 + payload_bytes + 2
        return float(Fraction(8 * n_bytes, self.bitrate_bps))


@dataclass(frozen=True)
class UartConfig:
    """A serial cable, 8N1: ten bits carry one byte, and bytes follow each other without a frame."""

    bitrate_bps: int = 9600

    bits_per_byte = 10

    def __post_init__(self) -> None:
        _check_bitrate(self.bitrate_bps)

    def airtime_s(self, n_bytes: int) -> float:
        return float(Fraction(self.bits_per_byte * n_bytes, self.bitrate_bps))


Medium = LoRaConfig | FskConfig | UartConfig


def _check_length(payload_bytes: int, max_payload_bytes: int) -> None:
    if not 0 <= payload_bytes <= max_payload_bytes:
        raise ValueError(
            f"a radio frame carries 0 to {max_payload_bytes} bytes, not {payload_bytes}: cut the "
            "packet"
        )


def _check_bitrate(bitrate_bps: int) -> None:
    if bitrate_bps <= 0:
        raise ValueError(f"bitrate is {bitrate_bps} bit/s; it must be positive, for example 9600")
