"""An emulated Microchip RN2483 or RN2903: `radio tx` and `radio rx` in lines of text.

Source: RN2483 LoRa Technology Module Command Reference User's Guide, DS40001784G, §2.3 (sys),
§2.4.6 (mac pause), §2.5 (radio). What it says in a table is a table here. As the firmware does it,
and not in the guide: received data come after two blanks; `radio rxstop` says ok also when nothing
was being received; time for thinking is left out.

The module does one thing at a time. Set to receive, it answers `radio tx` with `busy` until `radio
rxstop`, and it stops receiving with every packet: what arrives before the next `radio rx 0` is
missed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from link.emulator.air import Air, Reception, Tuning
from link.emulator.modems.modem import CommandModem, ModemOptions
from link.medium.airtime import LoRaConfig
from link.medium.profiles import RN2483_UART_BPS, LinkProfile

VERSION = "RN2483 1.0.5 Oct 31 2018 15:06:52"
MAC_PAUSE_MS = 4294967245
"How long the LoRaWAN stack stays away: for good."
BOOT_S = 0.2
DEFAULT_WATCHDOG_MS = 15_000
MAX_WATCHDOG_MS = 4294967295
MAX_PAYLOAD_BYTES = 255
FREQUENCIES_HZ = (range(433_050_000, 434_790_001), range(863_000_000, 870_000_001))
POWERS_DBM = range(-3, 16)


@dataclass(frozen=True)
class Radio:
    """The module's radio settings, as it starts."""

    frequency_hz: int = 868_100_000
    power_dbm: int = 1
    lora: LoRaConfig = field(default_factory=lambda: LoRaConfig(12))
    sync_word: int = 0x34
    inverts_iq: bool = False
    watchdog_ms: int = DEFAULT_WATCHDOG_MS


class Rn2483(CommandModem):
    """The module at the end of its UART."""

    uart_bitrate_bps = RN2483_UART_BPS

    def __init__(self, profile: LinkProfile, air: Air, station: int, options: ModemOptions) -> None:
        super().__init__(profile, air, station, options)
        self._reset()

    def _reset(self) -> None:
        self.radio = Radio()
        self._is_mac_paused = False
        self._is_booting = False
        self._is_cut_short = False
        self._listening_since_s: float | None = None
        self._snr_db: float | None = None
        self._rssi_dbm: float | None = None

    @property
    def tuning(self) -> Tuning:
        return Tuning(
            self.radio.lora,
            self.radio.frequency_hz,
            self.radio.sync_word << 1 | self.radio.inverts_iq,
        )

    def obey(self, line: str, now_s: float) -> None:
        if self._is_booting:
            return
        words = line.split(" ")
        answer = "invalid_param"
        match words:
            case ["sys", "reset"]:
                return self._reboot(now_s)
            case ["sys", "get", "ver"]:
                answer = VERSION
            case ["mac", "pause"]:
                self._is_mac_paused = True
                answer = str(MAC_PAUSE_MS)
            case ["mac", "resume"]:
                self._is_mac_paused = False
                answer = "ok"
            case ["radio", "set", name, value]:
                answer = self._set(name, value)
            case ["radio", "get", name]:
                answer = self._get(name)
            case ["radio", "rx", window]:
                answer = self._receive(window, now_s)
            case ["radio", "rxstop"]:
                self._listening_since_s = self._timer_s = None
                answer = "ok"
            case ["radio", "tx", data]:
                answer = self._transmit(data, now_s)
        self.reply(answer, now_s)

    def receive(self, heard: Reception, now_s: float) -> None:
        if self._listening_since_s is None or self._listening_since_s > heard.start_s:
            self.statistics.frames_missed += 1
            return
        self._listening_since_s = self._timer_s = None
        self._snr_db = heard.quality.snr_db
        self._rssi_dbm = heard.quality.rssi_dbm
        self.say_heard(f"radio_rx  {heard.packet.hex().upper()}\r\n".encode(), now_s)

    def has_sent(self, now_s: float) -> None:
        if self._is_cut_short or self._is_booting:
            self._is_cut_short = False
            return
        self._timer_s = None
        self.reply("radio_tx_ok", now_s)

    def ring(self, now_s: float) -> None:
        if self._is_booting:
            self._reset()
            self._is_cut_short = self._end_s is not None
            return self.reply(VERSION, now_s)
        self._outgoing.clear()
        self._is_cut_short = self._end_s is not None
        self._listening_since_s = None  # the watchdog, or the end of the receive window
        self.reply("radio_err", now_s)

    def _reboot(self, now_s: float) -> None:
        self._outgoing.clear()
        self._start_s = self._listening_since_s = None
        self._is_booting = True
        self._timer_s = now_s + BOOT_S

    @property
    def _is_busy(self) -> bool:
        is_sending = self._end_s is not None or bool(self._outgoing)
        return is_sending or self._listening_since_s is not None or not self._is_mac_paused

    def _receive(self, window: str, now_s: float) -> str:
        n_symbols = _integer(window, range(65536))
        if n_symbols is None:
            return "invalid_param"
        if self._is_busy:
            return "busy"
        self._listening_since_s = now_s
        self._set_watchdog(now_s)
        if n_symbols:
            window_end_s = now_s + float(n_symbols * self.radio.lora.symbol_s)
            self._timer_s = min(window_end_s, self._timer_s or window_end_s)
        return "ok"

    def _transmit(self, data: str, now_s: float) -> str:
        self.statistics.frames_in += 1
        packet = _bytes_of(data)
        if packet is None or len(packet) > MAX_PAYLOAD_BYTES:
            self.statistics.frames_refused += 1
            return "invalid_param"
        if self._is_busy:
            self.statistics.frames_refused += 1
            return "busy"
        self._outgoing.append(packet)
        self._set_watchdog(now_s)
        return "ok"

    def _set_watchdog(self, now_s: float) -> None:
        self._timer_s = now_s + self.radio.watchdog_ms / 1000 if self.radio.watchdog_ms else None

    def _set(self, name: str, value: str) -> str:
        if name not in SETTINGS:
            return "invalid_param"
        try:
            changed = SETTINGS[name](self.radio, value)
        except ValueError:
            changed = None
        if changed is None:
            return "invalid_param"
        self.radio = changed
        return "ok"

    def _get(self, name: str) -> str:
        values = {
            "snr": -128 if self._snr_db is None else round(self._snr_db),
            "rssi": -128 if self._rssi_dbm is None else round(self._rssi_dbm),
            "freq": self.radio.frequency_hz,
            "pwr": self.radio.power_dbm,
            "sf": f"sf{self.radio.lora.spreading_factor}",
            "bw": self.radio.lora.bandwidth_hz // 1000,
            "wdt": self.radio.watchdog_ms,
        }
        return str(values.get(name, "invalid_param"))


def _frequency(radio: Radio, value: str) -> Radio | None:
    frequency_hz = int(value)
    return (
        replace(radio, frequency_hz=frequency_hz)
        if any(frequency_hz in band for band in FREQUENCIES_HZ)
        else None
    )


def _power(radio: Radio, value: str) -> Radio | None:
    return replace(radio, power_dbm=int(value)) if int(value) in POWERS_DBM else None


def _watchdog(radio: Radio, value: str) -> Radio | None:
    return replace(radio, watchdog_ms=int(value)) if 0 <= int(value) <= MAX_WATCHDOG_MS else None


def _lora(choices: dict[str, dict[str, int | bool]]) -> Callable[[Radio, str], Radio | None]:
    def choose(radio: Radio, value: str) -> Radio | None:
        if value not in choices:
            return None
        return replace(radio, lora=replace(radio.lora, **choices[value]))  # type: ignore[arg-type]

    return choose


def _preamble(radio: Radio, value: str) -> Radio | None:
    return (
        replace(radio, lora=replace(radio.lora, n_preamble_symbols=int(value)))
        if 0 <= int(value) < 65536
        else None
    )


def _sync_word(radio: Radio, value: str) -> Radio | None:
    return replace(radio, sync_word=int(value, 16)) if 0 <= int(value, 16) < 256 else None


def _iq(radio: Radio, value: str) -> Radio | None:
    return replace(radio, inverts_iq=value == "on") if value in ("on", "off") else None


SETTINGS: dict[str, Callable[[Radio, str], Radio | None]] = {
    "mod": lambda radio, value: radio if value == "lora" else None,
    "freq": _frequency,
    "pwr": _power,
    "sf": _lora({f"sf{sf}": {"spreading_factor": sf} for sf in range(7, 13)}),
    "bw": _lora({str(khz): {"bandwidth_hz": 1000 * khz} for khz in (125, 250, 500)}),
    "cr": _lora({f"4/{n}": {"coding_rate_denominator": n} for n in range(5, 9)}),
    "crc": _lora({"on": {"has_crc": True}, "off": {"has_crc": False}}),
    "prlen": _preamble,
    "sync": _sync_word,
    "iqi": _iq,
    "wdt": _watchdog,
}
"`radio set` of LoRa: what becomes of the settings; None or ValueError: the value is not valid."


def _integer(text: str, allowed: range) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and int(text) in allowed else None


def _bytes_of(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text) if text.isalnum() else None
    except ValueError:
        return None
