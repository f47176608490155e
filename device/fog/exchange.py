"""Exchange: the way of frames between this member and the others: datagrams to each that reads
them, to a multicast group, or on a serial line that all share.

What does not leave is lost, as what does not arrive: nobody waits for it for long.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from device.config import NodeConfig
from device.fog.loading import LoadedParts
from device.fog.team_config import USUAL_BPS, TeamConfig
from device.port import reopened
from link.base import boot_s
from link.carriers import CarrierSettings, NotSentError, Reopening, open_carrier
from link.fog import MAX_FRAME_BYTES, Member, TeamOptions, TeamSession
from link.medium import get_profile, serial_profile
from link.security import CounterStore

AWAY = "the team goes on without this member until then"
APART = (
    "others are heard, and nothing they say opens: they have another bundle than this member's "
    "({}) or another key; compare bundle and node.key of all members"
)


def open_exchange(
    team: TeamConfig, say: Callable[[str], None], is_patient: bool, waits_for_first: bool
) -> Reopening:
    """The port between members, opened again whenever it is away; PortError as device.port."""
    serial = serial_profile(team.bitrate_bps or USUAL_BPS)
    profile, carrier = (serial, "bus") if team.is_serial else (get_profile("udp"), "udp")
    settings = CarrierSettings(
        replace(profile, max_packet_bytes=MAX_FRAME_BYTES, carrier=carrier),
        team.port,
        peers=tuple(team.addresses.values()),
        multicast=team.multicast,
        place=team.member,
    )
    return reopened(lambda: open_carrier(settings), say, AWAY, is_patient, waits_for_first)


def join(
    config: NodeConfig,
    key: bytes,
    counters: CounterStore,
    loaded: LoadedParts,
    say: Callable[[str], None],
    is_patient: bool,
    waits_for_first: bool,
) -> "Exchange":
    """The exchange of the member that the settings describe, its port open; PortError as above.

    What was said under ids below the first unused counter is over: recordings of it are not tried.
    """
    team = config.team
    assert team is not None
    port = open_exchange(team, say, is_patient, waits_for_first)
    options = TeamOptions(
        patience_s=team.patience_ms / 1000,
        is_camera_shared=team.camera == "shared",
        is_medium_shared=not team.peers,
        silent_s=team.silent_modem_s,
    )
    me = Member(team.member, key, bool(config.link), bool(config.source))
    session = TeamSession(me, loaded.model, loaded.plan, options, boot_s(), counters.unused)
    apart = APART.format(loaded.bundle.id.hex())
    return Exchange(team, session, port, lambda: say(apart))


class Exchange:
    """One member's port and session together."""

    def __init__(
        self,
        team: TeamConfig,
        session: TeamSession,
        port: Reopening,
        is_apart: Callable[[], None] = lambda: None,
    ) -> None:
        """`is_apart` is called once, where others are heard and nobody was understood yet."""
        self._addresses = team.addresses
        self._is_shared = not team.peers
        self.session = session
        self._port = port
        self._is_apart: Callable[[], None] | None = is_apart
        self.n_frames = self.sent_bytes = self.published_bytes = 0
        "Frames and their bytes that have left, as often as they were sent; and each once."
        self.heard_s: float | None = None
        "When the last genuine frame came; None: none has."

    @property
    def is_open(self) -> bool:
        return self._port.is_open

    def close(self) -> None:
        self._port.close()

    def hear(self, timeout_s: float) -> None:
        """What has come, waiting at most timeout_s for the first."""
        for received in self._port.receive(timeout_s):
            now_s = boot_s()
            if self.session.receive(received.packet, now_s):
                self.heard_s = now_s
        if self.session.n_forged and self.heard_s is None and self._is_apart is not None:
            is_apart, self._is_apart = self._is_apart, None
            is_apart()

    def speak(self) -> None:
        """All that the session has to say."""
        for outgoing in self.session.take_frames():
            frame = outgoing.frame
            n_sent = sum(self._send(frame, *to) for to in self._ways(outgoing.to))
            self.n_frames += n_sent
            self.sent_bytes += n_sent * len(frame)
            self.published_bytes += (n_sent > 0) * len(frame)

    def _ways(self, members: tuple[int, ...]) -> list[tuple[str, ...]]:
        """The addresses that a frame for them is sent to, one empty one where all hear it."""
        return [()] if self._is_shared else [(self._addresses[member],) for member in members]

    def _send(self, frame: bytes, *to: str) -> bool:
        with suppress(NotSentError):
            return self._port.send(frame, *to)
        return False
