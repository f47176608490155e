"""An emulated RN2483 with its LoRaWAN stack: `mac join otaa`, `mac tx`, and a network behind it.

Source: RN2483 LoRa Technology Module Command Reference User's Guide, DS40001784G, §2.4 (mac), and
the regional parameters of EU868. As the module does it: a channel that was used is closed until its
duty cycle allows it again (`no_free_ch`), a confirmed uplink without an answer ends in `mac_err`,
downlinks come in the windows behind an uplink only. Not emulated: adaptive data rate, repetitions
by the module (`mac set retx 0` is assumed), class C.
"""

from dataclasses import dataclass, replace
from random import Random
from typing import Protocol

from link.emulator.air import Air
from link.emulator.modems.modem import ModemOptions
from link.emulator.modems.rn2483 import Rn2483
from link.lorawan.wire import FRAME_BYTES
from link.medium.airtime import LoRaConfig
from link.medium.profiles import EU868_BYTES, LinkProfile

HARDWARE_EUI = "0004A30B001BA6D1"
JOIN_REQUEST_BYTES = 23
JOIN_WINDOW_S = 5.0
"From the end of a join request to its answer."
N_CHANNELS = 3
CHANNEL_OFF = 302
"Airtimes that a channel stays closed: the module's `dcycle`, a third of 1 % for each of the three."
ACK_TIMEOUT_S = 2.0
"From the second window to `mac_err`."
PORTS = range(1, 224)


@dataclass(frozen=True)
class Uplink:
    """What the network hears of one transmission."""

    address: bytes
    frame_counter: int
    port: int
    body: bytes
    is_confirmed: bool
    airtime_s: float


@dataclass(frozen=True)
class Downlink:
    """What the network answers in a window; without a body it only acknowledges."""

    port: int = 0
    body: bytes = b""


class Network(Protocol):
    """The other end, from the gateways on."""

    def join(self, dev_eui: str, join_eui: str, app_key: str) -> bytes | None:
        """A device address, or None: not heard, or not let in."""

    def uplink(self, uplink: Uplink) -> Downlink | None:
        """None: not heard, not to be acknowledged, or the answer was lost."""


class Rn2483Mac(Rn2483):
    """The module in its other role; `window_s` from an uplink's end to the answer may be shortened
    for tests.
    """

    def __init__(
        self,
        profile: LinkProfile,
        network: Network,
        window_s: float = 1.0,
        channel_off: float = CHANNEL_OFF,
    ) -> None:
        self._network = network
        self._window_s = window_s
        self._channel_off = channel_off
        self._random = Random(0)
        super().__init__(profile, Air(1), 0, ModemOptions())

    def _reset(self) -> None:
        super()._reset()
        self._values = {
            "deveui": "0" * 16,
            "appeui": "0" * 16,
            "appkey": "",
            "dr": "0",
            "adr": "off",
            "retx": "7",
        }
        self._values["pwridx"] = "1"
        self._address: bytes | None = None
        self._frame_counter = 0
        self._free_s = [float("-inf")] * N_CHANNELS
        self.answer_bytes = 0
        "Bytes of answers to the network's MAC commands, which stand in front of the next payload."
        self._sent: Uplink | None = None
        self._result: list[str] = []
        "What is said when the windows are over."
        self._is_joining = False

    def obey(self, line: str, now_s: float) -> None:
        if self._is_booting:
            return
        match line.split(" "):
            case ["sys", "get", "hweui"]:
                self.reply(HARDWARE_EUI, now_s)
            case ["mac", "set", name, value]:
                self.reply(self._set_mac(name, value), now_s)
            case ["mac", "get", "devaddr"]:
                self.reply((self._address or bytes(4)).hex().upper(), now_s)
            case ["mac", "get", name] if name in self._values and name != "appkey":
                self.reply(self._values[name], now_s)
            case ["mac", "join", "otaa"]:
                self.reply(self._join(now_s), now_s)
            case ["mac", "tx", kind, port, data]:
                self.reply(self._send(kind, port, data, now_s), now_s)
            case _:
                super().obey(line, now_s)

    def has_sent(self, now_s: float) -> None:
        """An uplink has left: the network has heard it, and answers in the first window."""
        if not self._is_on_mac:
            return super().has_sent(now_s)
        if self._is_joining:
            values = self._values
            address = self._network.join(values["deveui"], values["appeui"], values["appkey"])
            self._address = address or self._address
            self._frame_counter = 0
            self._result = ["accepted" if address else "denied"]
            self._timer_s = now_s + self._window_s * JOIN_WINDOW_S
            return
        assert self._sent is not None
        downlink = self._network.uplink(self._sent)
        self._timer_s = now_s + self._window_s
        if downlink is not None and downlink.body:
            self._result = [f"mac_rx {downlink.port} {downlink.body.hex().upper()}"]
        elif downlink is not None or not self._sent.is_confirmed:
            self._result = ["mac_tx_ok"]
        else:
            self._result = ["mac_err"]
        if downlink is None:
            self._timer_s += self._window_s * (
                1 + (ACK_TIMEOUT_S if self._sent.is_confirmed else 0)
            )

    def ring(self, now_s: float) -> None:
        if not self._is_on_mac or self._is_booting:
            return super().ring(now_s)
        result, self._result, self._sent, self._is_joining = self._result, [], None, False
        for line in result:
            self.reply(line, now_s)

    @property
    def _is_on_mac(self) -> bool:
        return self._is_joining or self._sent is not None

    def _set_mac(self, name: str, value: str) -> str:
        if name not in self._values or not _is_valid(name, value):
            return "invalid_param"
        self._values[name] = value
        return "ok"

    def _join(self, now_s: float) -> str:
        if not self._values["appkey"]:
            return "keys_not_init"
        return self._transmit_mac(bytes(JOIN_REQUEST_BYTES), now_s) or self._begin_join()

    def _begin_join(self) -> str:
        self._is_joining = True
        return "ok"

    def _send(self, kind: str, port: str, data: str, now_s: float) -> str:
        self.statistics.frames_in += 1
        try:
            body = bytes.fromhex(data)
        except ValueError:
            body = b""
        if kind not in ("cnf", "uncnf") or not port.isdigit() or int(port) not in PORTS or not body:
            return self._refuse("invalid_param")
        if self._address is None:
            return self._refuse("not_joined")
        if self.answer_bytes + len(body) > EU868_BYTES[self._lora.spreading_factor]:
            return self._refuse("invalid_data_len")
        if refusal := self._transmit_mac(bytes(FRAME_BYTES) + body, now_s):
            return self._refuse(refusal)
        airtime_s = self._lora.airtime_s(FRAME_BYTES + len(body))
        self._sent = Uplink(
            self._address, self._frame_counter, int(port), body, kind == "cnf", airtime_s
        )
        self._frame_counter += 1
        self.answer_bytes = 0
        return "ok"

    def _transmit_mac(self, frame: bytes, now_s: float) -> str | None:
        """A frame goes on the air; else the word that says why not."""
        if self._is_mac_paused:
            return "mac_paused"
        if self._is_on_mac or self._end_s is not None:
            return "busy"
        open_channels = [i for i, free_s in enumerate(self._free_s) if free_s <= now_s]
        if not open_channels:
            return "no_free_ch"
        self.radio = replace(self.radio, lora=self._lora)
        channel = self._random.choice(open_channels)
        self._free_s[channel] = now_s + self._lora.airtime_s(len(frame)) * (1 + self._channel_off)
        self._outgoing.append(frame)
        return None

    def _refuse(self, answer: str) -> str:
        self.statistics.frames_refused += 1
        return answer

    @property
    def _lora(self) -> LoRaConfig:
        """The settings of the data rate: DR0 is SF12, DR5 is SF7."""
        return LoRaConfig(12 - int(self._values["dr"]))


def _is_valid(name: str, value: str) -> bool:
    n_digits = {"deveui": 16, "appeui": 16, "appkey": 32}.get(name)
    if n_digits is not None:
        return len(value) == n_digits and all(digit in "0123456789abcdefABCDEF" for digit in value)
    if name == "adr":
        return value in ("on", "off")
    limits = {"dr": range(6), "retx": range(256), "pwridx": range(1, 6)}
    return value.isascii() and value.isdigit() and int(value) in limits[name]
