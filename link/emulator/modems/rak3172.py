"""An emulated RAK3172 with RUI3 firmware: `AT+PSEND` and `AT+PRECV` in lines of text, what happens
told as `+EVT:`.

Source: RAKwireless, RUI3 AT Command Manual (return codes; AT+NWM, AT+P2P, AT+PSEND, AT+PRECV) and
the release notes of RUI3 3.4.0 (receiving until told to stop). Firmware before RUI3 takes the
bandwidth in kHz, RUI3 as a number from 0 to 9; `ModemOptions.is_old_firmware` gives the first. The
module starts in LoRaWAN mode, and anew when that is changed.
"""

from dataclasses import replace

from link.emulator.air import Air, Reception, Tuning
from link.emulator.modems.modem import CommandModem, ModemOptions
from link.medium.airtime import LoRaConfig
from link.medium.profiles import RAK3172_BYTES, RAK3172_UART_BPS, LinkProfile

VERSION = "RUI_4.0.6_RAK3172-E"
OLD_VERSION = "V1.0.4"
BOOT_S = 0.3
BANNER = ("RAKwireless RAK3172-E Example", "------------------------------------------------------")
BANDWIDTHS_HZ = (125_000, 250_000, 500_000)
"By their number; those below 125 kHz (3 to 9) are left out."
FREQUENCIES_HZ = range(150_000_000, 960_000_001)
POWERS_DBM = range(5, 23)
STOP, UNTIL_STOPPED, UNTIL_PACKET = 0, 65534, 65535
"Arguments of AT+PRECV; others are milliseconds."
STOPS_FOR_SENDING = 65533
"As 65534, but AT+PSEND is taken without AT+PRECV=0."


class Rak3172(CommandModem):
    """The module at the end of its UART."""

    uart_bitrate_bps = RAK3172_UART_BPS

    def __init__(self, profile: LinkProfile, air: Air, station: int, options: ModemOptions) -> None:
        super().__init__(profile, air, station, options)
        self.lora = LoRaConfig(7)
        self.frequency_hz = 868_000_000
        self.power_dbm = 14
        self._is_lorawan = True
        self._is_booting = False
        self._mode = STOP
        self._listening_since_s: float | None = None

    @property
    def tuning(self) -> Tuning:
        return Tuning(self.lora, self.frequency_hz)

    def obey(self, line: str, now_s: float) -> None:
        if self._is_booting:
            return
        name, has_value, value = line.strip().partition("=")
        match name.upper():
            case "AT":
                answer = "OK"
            case "AT+VER" if value == "?":
                answer = self._tell(
                    name, OLD_VERSION if self.options.is_old_firmware else VERSION, now_s
                )
            case "AT+NWM":
                answer = self._set_network_mode(value, now_s)
            case "AT+P2P" if value == "?":
                answer = self._tell(name, self._p2p(), now_s)
            case "AT+P2P":
                answer = self._set_p2p(value)
            case "AT+PRECV" if value == "?":
                answer = self._tell(name, str(self._mode), now_s)
            case "AT+PRECV":
                answer = self._receive(value, now_s)
            case "AT+PSEND":
                answer = self._transmit(value)
            case _:
                answer = "AT_ERROR"
        self.reply(answer if has_value or name.upper() == "AT" else "AT_PARAM_ERROR", now_s)

    def receive(self, heard: Reception, now_s: float) -> None:
        if self._listening_since_s is None or self._listening_since_s > heard.start_s:
            self.statistics.frames_missed += 1
            return
        if self._mode not in (UNTIL_STOPPED, STOPS_FOR_SENDING):
            self._stop()
        quality = heard.quality
        heard_at = f"{quality.rssi_dbm or 0:.0f}:{quality.snr_db or 0:.0f}"
        event = f"+EVT:RXP2P:{heard_at}:{heard.packet.hex().upper()}\r\n"
        self.say_heard(event.encode(), now_s)

    def has_sent(self, now_s: float) -> None:
        if self._is_booting:
            return
        self.reply("+EVT:TXP2P DONE", now_s)
        if self._mode == STOPS_FOR_SENDING:
            self._listening_since_s = now_s

    def ring(self, now_s: float) -> None:
        if self._is_booting:
            self._is_booting = False
            for line in (
                *BANNER,
                f"Current Work Mode: LoRa{'WAN' if self._is_lorawan else ' P2P'}.",
            ):
                self.reply(line, now_s)
            return
        self._stop()
        self.reply("+EVT:RXP2P RECEIVE TIMEOUT", now_s)

    def _tell(self, name: str, value: str, now_s: float) -> str:
        self.reply(f"{name.upper()}={value}", now_s)
        return "OK"

    def _stop(self) -> None:
        self._mode = STOP
        self._listening_since_s = self._timer_s = None

    @property
    def _is_sending(self) -> bool:
        return self._end_s is not None or bool(self._outgoing)

    def _set_network_mode(self, value: str, now_s: float) -> str:
        if value == "?":
            return self._tell("AT+NWM", "1" if self._is_lorawan else "0", now_s)
        if value not in ("0", "1"):
            return "AT_PARAM_ERROR"
        if self._is_lorawan != (value == "1"):
            self._stop()
            self._outgoing.clear()
            self._is_lorawan = value == "1"
            self._is_booting = True
            self._timer_s = now_s + BOOT_S
        return "OK"

    def _p2p(self) -> str:
        lora = self.lora
        bandwidth = (
            lora.bandwidth_hz // 1000
            if self.options.is_old_firmware
            else BANDWIDTHS_HZ.index(lora.bandwidth_hz)
        )
        rate = lora.coding_rate_denominator - 5
        radio = f"{self.frequency_hz}:{lora.spreading_factor}:{bandwidth}:{rate}"
        return f"{radio}:{lora.n_preamble_symbols}:{self.power_dbm}"

    def _set_p2p(self, value: str) -> str:
        fields = value.split(":")
        if len(fields) != 6 or not all(
            field.isascii() and field.isdigit() and len(field) < 10 for field in fields
        ):
            return "AT_PARAM_ERROR"
        frequency_hz, spreading_factor, bandwidth, rate, preamble, power_dbm = map(int, fields)
        names = (
            [hz // 1000 for hz in BANDWIDTHS_HZ]
            if self.options.is_old_firmware
            else [*range(len(BANDWIDTHS_HZ))]
        )
        if (
            frequency_hz not in FREQUENCIES_HZ
            or spreading_factor not in range(7, 13)
            or bandwidth not in names
            or rate not in range(4)
            or preamble not in range(5, 65536)
            or power_dbm not in POWERS_DBM
        ):
            return "AT_PARAM_ERROR"
        if self._is_lorawan or self._is_sending or self._mode != STOP:
            return "AT_BUSY_ERROR"
        self.frequency_hz = frequency_hz
        self.power_dbm = power_dbm
        self.lora = replace(
            LoRaConfig(spreading_factor, BANDWIDTHS_HZ[names.index(bandwidth)], 5 + rate),
            n_preamble_symbols=preamble,
        )
        return "OK"

    def _receive(self, value: str, now_s: float) -> str:
        if not (value.isascii() and value.isdigit()) or int(value) > UNTIL_PACKET:
            return "AT_PARAM_ERROR"
        mode = int(value)
        if self._is_lorawan or self._is_sending or (mode != STOP and self._mode != STOP):
            return "AT_BUSY_ERROR"
        self._stop()
        if mode != STOP:
            self._mode = mode
            self._listening_since_s = now_s
            self._timer_s = now_s + mode / 1000 if mode < STOPS_FOR_SENDING else None
        return "OK"

    def _transmit(self, value: str) -> str:
        self.statistics.frames_in += 1
        try:
            packet = bytes.fromhex(value) if value.isalnum() else b""
        except ValueError:
            packet = b""
        answer = "OK"
        if not 0 < len(packet) <= RAK3172_BYTES:
            answer = "AT_PARAM_ERROR"
        elif self._is_lorawan or self._is_sending or self._mode not in (STOP, STOPS_FOR_SENDING):
            answer = "AT_BUSY_ERROR"
        else:
            self._listening_since_s = None
            self._outgoing.append(packet)
        if answer != "OK":
            self.statistics.frames_refused += 1
        return answer
