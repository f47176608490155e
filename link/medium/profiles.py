"""Link profiles: lines by name. A name says the medium and its rules; both ends and the emulator
are given the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from link.medium.airtime import FskConfig, LoRaConfig, Medium, UartConfig
from link.settings.toml_file import shown
from link.wire.framing import frame

RAW_LORA_BYTES = LoRaConfig.max_payload_bytes
EU868_BYTES = {7: 222, 8: 222, 9: 115, 10: 51, 11: 51, 12: 51}
"Longest application payload of LoRaWAN's EU868 data rates: what a band plan lets one frame carry."
US915_DWELL_S = 0.4
"FCC 15.247, frequency hopping: the time one transmission may stay on a channel."
UART_BYTES = 252
"The longest packet whose framing is four bytes; one more would cost a fifth."


ANSWER_BYTES = 32
"The longest usual answer, a REPORT with its salt."
TO_AIR_BYTES = {"rn2483": 32, "rak3172": 29, "e22": 3}
"""What goes over a modem's serial port beside the packet, from the computer's first byte until the
frame is on the air; for the E22 the pause that ends it.
"""
FROM_AIR_BYTES = {"rn2483": 12, "rak3172": 22, "e22": 0}
"The same, from the end of a frame until its packet is at the computer."
COMPUTER_S = 0.1
"For a computer that has other work, on both sides of its serial port."
RN2483_UART_BPS = 57_600
RAK3172_UART_BPS = 115_200
RAK3172_BYTES = 250
"RUI3 takes 500 hexadecimal digits at a time."
E22_UART_BPS = 9600
E22_SUB_PACKET_BYTES = 240
E22_HEAD_BYTES = 7
"""What the module puts before a sub-packet of its own: network and length; not published, an
estimate.
"""
E22_AIR_RATES = {
    300: (12, 125_000),
    1200: (11, 250_000),
    2400: (11, 500_000),
    4800: (10, 500_000),
    9600: (9, 500_000),
}
"""Air rate of the manual in bit/s: the LoRa setting whose bitrate is nearest. Ebyte does not
publish them.
"""


@dataclass(frozen=True)
class LinkProfile:
    """A medium with its rules: packets up to max_packet_bytes, duty_cycle the share of time each
    sender may use.
    """

    name: str
    medium: Medium
    max_packet_bytes: int
    duty_cycle: float = 1.0
    carrier: str = "serial"
    "What leads to the medium, a name of link.carriers.carrier.CARRIERS."
    port_bitrate_bps: int | None = None
    "The bitrate of the serial port that leads to a modem; None: the usual one."

    @property
    def is_radio(self) -> bool:
        """A radio loses frames; a cable loses bytes."""
        return not isinstance(self.medium, UartConfig)

    @property
    def carries_framing(self) -> bool:
        """Whether the medium is used as a stream of bytes, on which a packet needs its framing."""
        return self.carrier == "e22" or (self.carrier == "serial" and not self.is_radio)

    @property
    def bitrate_bps(self) -> int:
        """Speed of the serial port to this line: the cable's own, or the modem's usual one."""
        if isinstance(self.medium, UartConfig):
            return self.medium.bitrate_bps
        return self.port_bitrate_bps or 115_200

    @property
    def longest_airtime_s(self) -> float:
        return self.airtime_s(self.max_packet_bytes)

    @property
    def turnaround_s(self) -> float:
        """At most so long from the end of a frame until the answer to it is on the medium."""
        return COMPUTER_S + self.from_air_s(self.max_packet_bytes) + self.to_air_s(ANSWER_BYTES)

    def to_air_s(self, packet_bytes: int) -> float:
        """From a computer's first byte of a packet to its modem until it is on the air."""
        return self._port_s(packet_bytes, TO_AIR_BYTES)

    def from_air_s(self, packet_bytes: int) -> float:
        """From the end of a frame until its packet is at the computer."""
        return self._port_s(packet_bytes, FROM_AIR_BYTES)

    def _port_s(self, packet_bytes: int, dialogue_bytes: Mapping[str, int]) -> float:
        """A cable's own bytes are its airtime, and the modem without quirks takes no time."""
        if self.carrier not in dialogue_bytes:
            return 0.0
        n_bytes = framed_bytes(packet_bytes) if self.carries_framing else 2 * packet_bytes
        return UartConfig(self.bitrate_bps).airtime_s(n_bytes + dialogue_bytes[self.carrier])

    def airtime_s(self, packet_bytes: int) -> float:
        """How long one packet occupies the medium, with all that the carrier adds to it."""
        return sum(map(self.medium.airtime_s, self._pieces(packet_bytes)))

    def wire_bytes(self, packet_bytes: int) -> int:
        """Length of one packet on the medium."""
        return sum(self._pieces(packet_bytes))

    def _pieces(self, packet_bytes: int) -> list[int]:
        """Lengths of what a packet is on the medium: one piece, or on an E22 its sub-packets."""
        n_bytes = framed_bytes(packet_bytes) if self.carries_framing else packet_bytes
        if self.carrier != "e22":
            return [n_bytes]
        starts = range(0, n_bytes, E22_SUB_PACKET_BYTES)
        return [E22_HEAD_BYTES + min(E22_SUB_PACKET_BYTES, n_bytes - start) for start in starts]


def framed_bytes(packet_bytes: int) -> int:
    """Length of a frame around a packet; zeros in it make it no longer."""
    return len(frame(bytes([1]) * packet_bytes))


def serial_profile(bitrate_bps: int) -> LinkProfile:
    """A serial cable of any speed; ValueError for one that cannot be."""
    return LinkProfile(f"serial-{bitrate_bps}", UartConfig(bitrate_bps), UART_BYTES)


def _profiles() -> dict[str, LinkProfile]:
    lora = {spreading_factor: LoRaConfig(spreading_factor) for spreading_factor in range(7, 13)}
    serial = [serial_profile(bps) for bps in (1200, 9600, 57_600, 115_200)]
    raw = [LinkProfile(f"lora-sf{sf}", radio, RAW_LORA_BYTES) for sf, radio in lora.items()]
    eu868 = [
        LinkProfile(f"lora-sf{sf}-eu868", radio, EU868_BYTES[sf], 0.01)
        for sf, radio in lora.items()
    ]
    eu868_10pct = [
        LinkProfile(f"lora-sf{sf}-eu868-10pct", radio, EU868_BYTES[sf], 0.10)
        for sf, radio in lora.items()
    ]
    us915 = [
        LinkProfile(f"lora-sf{sf}-us915", radio, radio.largest_payload_bytes(US915_DWELL_S))
        for sf, radio in lora.items()
        if sf <= 10
    ]
    fsk = [LinkProfile("fsk-50k-eu868", FskConfig(), EU868_BYTES[7], 0.01)]
    modems = [
        LinkProfile(f"{kind}-sf{sf}", radio, n_bytes, carrier=kind, port_bitrate_bps=uart_bps)
        for kind, n_bytes, uart_bps in [
            ("rn2483", RAW_LORA_BYTES, RN2483_UART_BPS),
            ("rak3172", RAK3172_BYTES, RAK3172_UART_BPS),
        ]
        for sf, radio in lora.items()
    ]
    e22_bytes = E22_SUB_PACKET_BYTES - framed_bytes(0)
    e22 = [
        LinkProfile(
            f"e22-{bps}",
            LoRaConfig(sf, bandwidth_hz),
            e22_bytes,
            carrier="e22",
            port_bitrate_bps=E22_UART_BPS,
        )
        for bps, (sf, bandwidth_hz) in E22_AIR_RATES.items()
    ]
    udp = [LinkProfile("udp", UartConfig(1_000_000), RAW_LORA_BYTES, carrier="udp")]
    everything = [*serial, *raw, *eu868, *eu868_10pct, *us915, *fsk, *modems, *e22, *udp]
    return {profile.name: profile for profile in everything}


PROFILES = _profiles()


def get_profile(name: str) -> LinkProfile:
    if name not in PROFILES:
        raise ValueError(
            f'there is no link profile "{shown(name)[1:-1]}"; there are: {", ".join(PROFILES)}'
        )
    return PROFILES[name]
