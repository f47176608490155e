"""Member: one node of a team. It takes its images, computes its parts of the encoder, hears and
tells the others, and speaks for the team to the host when that is its turn.

    leader      an image of its own, then TICK; the others take theirs
    everybody   its parts, as soon as what they read is there, or is waited for no longer
    aggregator  all latents as one bitstream, to the host
    modem       the same bitstream, kept until the aggregator says that the host has it

One thread, in which nothing waits long; camera and modem have their own. A member that loses one of
them says so, to its console and to the others, and goes on with the rest.
"""

import math
import time
from collections.abc import Callable
from dataclasses import replace

from device.config import NodeConfig
from device.console import Console
from device.encoder.trial import Trial
from device.fog.exchange import Exchange
from device.fog.loading import LoadedParts
from device.fog.uplink import LONGEST_REST_S, Uplink
from device.fog.views import Views
from link.base import boot_s
from link.coder import latent_coder
from link.fog import Closed, Finished
from link.output import Captured, Notifier, TeamTold
from link.security import CounterStore

IDLE_S = 1.0
"Longest sleep."
POLL_S = 0.02
"Longest sleep while something waits at the modem."
GAP = 64
"Packet counters left out by who takes over where no host can say which were used."
GRACE_S = 5.0
"Behind its last image a member waits no longer to hear that the host has what it keeps."
GONE_S = 3.0
"A member without images of its own that is to end with its team waits so long for a word of it."


class Member:
    """Everything of one running member but its files."""

    def __init__(
        self,
        config: NodeConfig,
        loaded: LoadedParts,
        exchange: Exchange,
        uplink: Uplink | None,
        counters: CounterStore,
        trial: Trial | None,
        console: Console,
        on_proved: Callable[[], None] | None = None,
        is_patient: bool = True,
    ) -> None:
        """An impatient one ends when the others have gone."""
        self._config = config
        self._loaded = loaded
        self._session = exchange.session
        self._exchange = exchange
        self._uplink = uplink
        self._counters = counters
        self._trial = trial
        self._console = console
        self._on_proved = on_proved
        self._is_patient = is_patient
        self.n_images = 0
        "With which this member is done."
        self._has_modem = uplink is not None
        self._n_before = 0, 0, 0
        "What the exchange had counted at the image before."
        self._disk_due_s = -math.inf
        "When a disk that took nothing is tried again."
        self._through_s: float | None = None
        "Since when no image follows."
        spec = loaded.bundle.image
        for image in sorted(uplink.waiting) if uplink is not None else ():
            self._session.keep(image, boot_s())
        self._views = Views(config, spec, exchange, uplink, counters, trial, console)

    def run(self, notifier: Notifier) -> None:
        """Until its source has ended and all has arrived, the watchdog told of good turns."""
        is_ready = False
        while not self._is_done(boot_s()):
            self._exchange.hear(self._wait_s(boot_s()))
            self._follow()
            self._views.look(boot_s())
            self._compute()
            self._deliver()
            if self._is_well(boot_s()):
                if not is_ready:
                    notifier.ready()
                    is_ready = True
                notifier.worked()
            elif self._trial is not None:
                self._trial.excuse()

    # the others

    def _follow(self) -> None:
        """What was heard of ids, counters and whose turn it is, and what the modem has to tell."""
        session, uplink, now_s = self._session, self._uplink, boot_s()
        self._pass_over(session.newest + 1, now_s)
        for receipt in session.take_receipts():
            self._counters.advance_to(receipt.counter + 1)
            self._views.settle(receipt.images)
            if uplink is not None:
                uplink.forget(receipt.images)
        if uplink is None:
            return
        if (has_modem := uplink.is_well(now_s)) != self._has_modem:
            self._has_modem = session.has_modem = has_modem
            self._console.notice("the modem is back" if has_modem else "another has to speak")
        is_mine = session.aggregator == session.me
        if is_mine and not uplink.speaks and not self._config.link.has_downlink:
            self._counters.advance_to(session.least_image + GAP)
        uplink.speaks = is_mine
        settled = uplink.take_settled()
        if settled and is_mine:
            session.settle(settled, uplink.newest_counter)
            self._views.settle(settled)

    def _pass_over(self, image: int, now_s: float) -> None:
        """That what was said up to there is over, a new start is to know as well; between images,
        since a disk takes its time.
        """
        if not self._session.is_idle or now_s < self._disk_due_s:
            self._counters.advance_to(image)
            return
        try:
            self._counters.pass_over(image)
        except OSError as error:
            if math.isinf(self._disk_due_s):
                self._console.notice(f"{error}; free some space, this member goes on")
            self._disk_due_s = now_s + LONGEST_REST_S

    # parts

    def _compute(self) -> None:
        """All that can be computed now; what it makes leaves at once."""
        while (run := self._session.next_run(boot_s())) is not None:
            made = self._loaded.parts(run.segment, run.group, run.inputs)
            self._session.computed(run, made, boot_s())
            self._exchange.speak()
            self._exchange.hear(0.0)
        self._exchange.speak()

    def _deliver(self) -> None:
        """What became of images."""
        for finished in self._session.take_finished():
            self._put(finished)
        for closed in self._session.take_closed():
            self._close(closed)

    def _put(self, finished: Finished) -> None:
        """To the modem's thread, which sends it, or keeps it."""
        assert self._uplink is not None
        began_s = time.perf_counter()
        bitstream = latent_coder.encode(finished.symbols, self._loaded.bundle.tables)
        coder_ms = 1000 * (time.perf_counter() - began_s)
        image_id, image = self._views.shown or (-1, None)
        if image is None or image_id != finished.image:
            self._uplink.put(finished.image, bitstream, boot_s())
            return
        captured_s = boot_s() - (time.monotonic() - image.captured_s)
        told = Captured(
            image=finished.image,
            label=image.label,
            pixels=image.pixels.tobytes(),
            shape=image.pixels.shape,
            bitstream_bytes=len(bitstream),
            n_chunks=0,
            ms={"coder": coder_ms},
        )
        self._uplink.put(
            finished.image,
            bitstream,
            captured_s,
            lambda n_chunks: self._console.image(replace(told, n_chunks=n_chunks)),
        )

    def _close(self, closed: Closed) -> None:
        self.n_images += 1
        exchange = self._exchange
        counted = exchange.n_frames, exchange.published_bytes, exchange.sent_bytes
        n_frames, published_bytes, sent_bytes = (
            now - before for now, before in zip(counted, self._n_before, strict=True)
        )
        self._n_before = counted
        self._console.team(
            TeamTold(
                member=self._session.me,
                image=closed.image,
                sequence=closed.sequence,
                alive=tuple(map(int, closed.alive)),
                published_bytes=published_bytes,
                sent_bytes=sent_bytes,
                frames=n_frames,
                leader=closed.leader,
                aggregator=closed.aggregator,
                overhead_ms=1000 * (closed.elapsed_s - closed.busy_s),
                elapsed_ms=1000 * closed.elapsed_s,
            )
        )
        if self._trial is not None and closed.busy_s:
            self._trial.image_queued()
        if self._on_proved is not None and sum(closed.alive) > 1:
            on_proved, self._on_proved = self._on_proved, None
            on_proved()

    # how it is, and when something is due

    def _is_well(self, now_s: float) -> bool:
        """Whether it takes part, as far as a new start could help that."""
        return not self._views.is_stuck(now_s) and self._exchange.is_open

    def _is_done(self, now_s: float) -> bool:
        heard_s = self._exchange.heard_s
        if self._views.is_blind and not self._is_patient and heard_s is not None:
            return now_s > heard_s + GONE_S and (self._uplink is None or self._uplink.is_done)
        if not self._views.is_through or not self._session.is_idle:
            return False
        self._through_s = self._through_s or now_s
        if self._uplink is None or self._uplink.is_done:
            return True
        return not self._uplink.speaks and now_s > self._through_s + GRACE_S

    def _wait_s(self, now_s: float) -> float:
        due_s = [now_s + IDLE_S, self._views.wake_s(now_s)]
        if (session_due_s := self._session.next_due_s(now_s)) is not None:
            due_s.append(session_due_s)
        if self._uplink is not None and self._uplink.has_work:
            due_s.append(now_s + POLL_S)
        return max(0.0, min(due_s) - now_s)
