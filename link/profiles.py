"""Link profiles: lines by name. A name says the medium and its rules; both ends and the emulator are given the same."""

from dataclasses import dataclass

from link.airtime import FskConfig, LoRaConfig, Medium, UartConfig

RAW_LORA_BYTES = LoRaConfig.max_payload_bytes
EU868_BYTES = {7: 222, 8: 222, 9: 115, 10: 51, 11: 51, 12: 51}
"Longest application payload of LoRaWAN's EU868 data rates: what a band plan lets one frame carry."
US915_DWELL_S = 0.4
"FCC 15.247, frequency hopping: the time one transmission may stay on a channel."
UART_BYTES = 252
"The longest packet whose framing is four bytes; one more would cost a fifth."


@dataclass(frozen=True)
class LinkProfile:
    """A medium with its rules: packets up to max_packet_bytes, duty_cycle the share of time each sender may use."""

    name: str
    medium: Medium
    max_packet_bytes: int
    duty_cycle: float = 1.0

    @property
    def is_radio(self) -> bool:
        """A radio modem carries packets whole; a cable carries bytes, framing included."""
        return not isinstance(self.medium, UartConfig)

    @property
    def bitrate_bps(self) -> int:
        """Speed of the serial port that leads to this line: the cable's own, or the usual one of radio modems."""
        return self.medium.bitrate_bps if isinstance(self.medium, UartConfig) else 115_200

    @property
    def longest_airtime_s(self) -> float:
        return self.medium.airtime_s(self.max_packet_bytes)


def _profiles() -> dict[str, LinkProfile]:
    lora = {spreading_factor: LoRaConfig(spreading_factor) for spreading_factor in range(7, 13)}
    serial = [LinkProfile(f"serial-{bps}", UartConfig(bps), UART_BYTES) for bps in (1200, 9600, 57_600, 115_200)]
    raw = [LinkProfile(f"lora-sf{sf}", radio, RAW_LORA_BYTES) for sf, radio in lora.items()]
    eu868 = [LinkProfile(f"lora-sf{sf}-eu868", radio, EU868_BYTES[sf], 0.01) for sf, radio in lora.items()]
    eu868_10pct = [LinkProfile(f"lora-sf{sf}-eu868-10pct", radio, EU868_BYTES[sf], 0.10) for sf, radio in lora.items()]
    us915 = [
        LinkProfile(f"lora-sf{sf}-us915", radio, radio.largest_payload_bytes(US915_DWELL_S))
        for sf, radio in lora.items()
        if sf <= 10
    ]
    fsk = [LinkProfile("fsk-50k-eu868", FskConfig(), EU868_BYTES[7], 0.01)]
    return {profile.name: profile for profile in [*serial, *raw, *eu868, *eu868_10pct, *us915, *fsk]}


PROFILES = _profiles()


def get_profile(name: str) -> LinkProfile:
    if name not in PROFILES:
        raise ValueError(f'there is no link profile "{name}"; there are: {", ".join(PROFILES)}')
    return PROFILES[name]
