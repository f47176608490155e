"""Views: the images of one member: those that another leader wants, and its own where it leads.

A leader without an interval begins an image when the last ones have arrived, as far as it can know;
after a while also when nothing is heard of them, since that is how a dead aggregator shows.
"""

import math
from collections import deque
from collections.abc import Collection
from dataclasses import replace

from device.capture.image_source import n_images, open_source
from device.capture.intake import Intake
from device.capture.source import Image
from device.config import NodeConfig
from device.console import Console
from device.encoder.trial import Trial
from device.fog.exchange import Exchange
from device.fog.uplink import FIRST_REST_S, LONGEST_REST_S, Uplink
from link.base import Pause, boot_s
from link.bundle import ImageSpec
from link.fog import Wanted
from link.security import CounterStore

POLL_S = 0.02
"Longest sleep while an image is being taken."
AHEAD = 2
"Images under way, beside those that the host has."
FIRST_STALL_S, LONGEST_STALL_S = 0.5, 60.0
"After so long without a receipt another image begins all the same."


class Views:
    """What one member's camera sees; a member without one sees nothing."""

    def __init__(
        self,
        config: NodeConfig,
        spec: ImageSpec,
        exchange: Exchange,
        uplink: Uplink | None,
        counters: CounterStore,
        trial: Trial | None,
        console: Console,
    ) -> None:
        """SourceError where there is a source that will never give an image."""
        self._source = config.source
        self._session = exchange.session
        self._exchange = exchange
        self._uplink = uplink
        self._counters = counters
        self._trial = trial
        self._console = console
        self.shown: tuple[int, Image] | None = None
        "The image taken last, by its id."
        self._wanted: Wanted | None = None
        "The image that is to be taken for another leader."
        self._turn = 0
        "Number of the image that was asked of the source last."
        self._is_asked = False
        self._unsettled: deque[int] = deque(maxlen=AHEAD)
        "Images begun here of late of which the host is not known to have one as new."
        self._stall = Pause(FIRST_STALL_S, LONGEST_STALL_S)
        self._stalled_s = -math.inf
        self._rest = Pause(FIRST_REST_S, LONGEST_REST_S)
        self._leads_s = -math.inf
        "From when on it may lead again, for which ids have to be stored."
        self._n_in_all = math.inf
        "Images of the source."
        self._intake: Intake | None = None
        if config.source:
            self._n_in_all = n_images(config.source)
            source, state_dir = replace(config.source, limit=None), config.state_dir
            self._intake = Intake(
                source,
                lambda _: open_source(source, spec, state_dir, lambda: self._turn),
                None,
                console,
                self._tell,
            )

    @property
    def is_blind(self) -> bool:
        """Whether it has no camera at all."""
        return self._intake is None

    @property
    def is_through(self) -> bool:
        """Whether no image follows the one that the team took last."""
        return self._session.sequence + 1 >= self._n_in_all

    def is_stuck(self, now_s: float) -> bool:
        """Whether only a new process could help the camera."""
        return self._intake is not None and self._intake.is_stuck(now_s)

    def wake_s(self, now_s: float) -> float:
        """When there may be something to do; inf: not before another leader wants an image."""
        session, intake = self._session, self._intake
        if intake is None:
            return math.inf
        if intake.is_busy:
            return now_s + POLL_S
        if self._wanted is not None or self._is_due(now_s):
            return now_s
        if not session.is_idle or not session.leads:
            return math.inf
        times = intake.due_s(now_s, self._unix_offset_s), self._stalled_s
        return min((one_s for one_s in times if one_s > now_s), default=math.inf)

    def settle(self, images: Collection[int]) -> None:
        """The host has these, and so everything older is on its way at least."""
        newest = max(images, default=-1)
        newer = [image for image in self._unsettled if image > newest]
        self._unsettled = deque(newer, AHEAD)
        self._stall.worked()

    def look(self, now_s: float) -> None:
        """Take the image that another leader wants, or the next where this member leads."""
        session, intake = self._session, self._intake
        if intake is None:
            return
        self._wanted = session.take_wanted() or self._wanted
        if self._wanted is not None and intake.is_over:
            self._show(None)
        elif not intake.is_busy and (self._wanted is not None or self._is_due(now_s)):
            self._turn = session.sequence + 1 if self._wanted is None else self._wanted.sequence
            self._is_asked = True
            intake.ask(now_s)
        image = intake.take(now_s, self._unix_offset_s)
        if self._is_asked and not intake.is_busy:
            self._is_asked = False
            if self._wanted is None:
                self._begin(image)
            elif image is None or self._is_wanted(self._wanted):
                self._show(image)
        session.has_camera = not intake.is_over and not intake.is_away
        session.may_lead = now_s >= self._leads_s
        intake.look_after(now_s)
        if intake.error is not None:
            self._console.notice(f"{intake.error}; the team goes on without this camera")
            intake.error = None

    def _is_wanted(self, wanted: Wanted) -> bool:
        """Whether what was asked of the source is it; a camera has no other."""
        return self._turn == wanted.sequence or self._source.kind != "replay"

    def _show(self, image: Image | None) -> None:
        """The image that another leader wants, or that there is none."""
        assert self._wanted is not None
        image_id, self._wanted = self._wanted.image, None
        self.shown = None if image is None else (image_id, image)
        self._session.captured(image_id, None if image is None else image.pixels, boot_s())
        self._exchange.speak()

    def _begin(self, image: Image | None) -> None:
        """As leader, if it shows something new. A bundle on trial has every image to encode."""
        if image is None or not self._session.leads:
            return
        assert self._intake is not None
        is_on_trial = self._trial is not None and not self._trial.is_over
        if not self._intake.lets_pass(image, is_on_trial):
            return
        session = self._session
        self._counters.advance_to(session.least_image)
        try:
            image_id = self._counters.next()
        except OSError as error:
            if not self._rest.n_failed:
                self._console.notice(f"{error}; another has to lead")
            self._leads_s = boot_s() + self._rest.failed()
            return
        self._rest.worked()
        self.shown = image_id, image
        session.begin(image_id, self._turn, boot_s(), image.pixels)
        self._exchange.speak()
        self._unsettled.append(image_id)
        self._stalled_s = boot_s() + self._stall.failed()

    def _is_due(self, now_s: float) -> bool:
        """At the interval's end; without one as soon as the last ones have arrived."""
        session, intake = self._session, self._intake
        if intake is None or not session.leads or not session.is_idle:
            return False
        if self.is_through or not intake.is_due(now_s, self._unix_offset_s):
            return False
        return intake.has_interval or self._has_room(now_s)

    def _has_room(self, now_s: float) -> bool:
        """Whether an image would arrive soon, as far as this member can know."""
        session, uplink = self._session, self._uplink
        if session.aggregator is None or now_s >= self._stalled_s:
            return True
        if uplink is not None and session.aggregator == session.me:
            return uplink.wants_image
        return len(self._unsettled) < AHEAD

    @property
    def _unix_offset_s(self) -> float | None:
        return None if self._uplink is None else self._uplink.unix_offset_s

    def _tell(self, fault: str | None) -> None:
        if self._uplink is not None:
            self._uplink.tell(fault)
