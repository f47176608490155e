"""The node's loop: capture, encode, queue; send what the channel allows; hear what the host says.

One thread, in which nothing waits long: camera and port are opened, and the camera is read, in
threads of their own, and the disk writes in another. An image is safe in the outbox before the
console tells of it; how it leaves is the affair of the link's end (device.link_end).
"""

import time
from collections.abc import Callable
from dataclasses import replace

from device.capture.capturing import OpenSource
from device.capture.image_source import open_source
from device.capture.intake import Intake
from device.capture.source import Image
from device.collect.collector import Collector
from device.config import NodeConfig
from device.console import Console
from device.encoder.loading import Loaded
from device.encoder.trial import Trial
from device.link_end import LinkEnd
from device.safe_mode import SafeMode
from link.base import boot_s
from link.bundle import ImageSpec
from link.output import Captured, Notifier
from link.picture import UnreadableImageError

IDLE_S = 1.0
"Longest sleep: a clock that jumps or a port that comes back is noticed within it."


class Node:
    """Everything of one running node but its files and its end of the link."""

    def __init__(
        self,
        config: NodeConfig,
        link: LinkEnd,
        loaded: Loaded | None,
        trial: Trial | None,
        console: Console,
        safe_mode: SafeMode | None = None,
        on_proved: Callable[[], None] | None = None,
        collector: Collector | None = None,
    ) -> None:
        """In safe mode there is no bundle, and nothing is captured. `collector`: keeps pictures."""
        self._link = link
        self._loaded = loaded
        self._trial = trial
        self._console = console
        self._safe_mode = safe_mode
        self._on_proved = on_proved
        self._collector = collector
        self._intake: Intake | None = None
        self._saving: dict[int, Captured] = {}
        "Images on their way to the disk."
        self.n_images = 0
        if loaded is not None:
            source = config.source
            opener = _opener(config, loaded.bundle.image)
            self._intake = Intake(source, opener, source.limit, console, link.tell)
        elif safe_mode is not None:
            link.tell(safe_mode.fault)

    def run(self, notifier: Notifier) -> None:
        """Until the source has ended and nothing waits, the watchdog told of good turns."""
        is_ready = False
        while not self._is_done:
            now_s = boot_s()
            self._link.end_transmission(now_s)
            self._capture(now_s)
            if self._intake is not None:
                self._intake.look_after(now_s)
            self._link.transmit(boot_s())
            self._listen()
            if self._link.is_proved and self._on_proved is not None:
                on_proved, self._on_proved = self._on_proved, None
                on_proved()
            if self._is_well(boot_s()):
                if not is_ready:
                    notifier.ready()
                    is_ready = True
                notifier.worked()
            elif self._trial is not None:
                self._trial.excuse()
        if self._intake is not None and self._intake.error is not None:
            raise self._intake.error

    def _is_well(self, now_s: float) -> bool:
        """Whether packets leave and images come, as far as a new start could help that."""
        is_stuck = self._intake is not None and self._intake.is_stuck(now_s)
        return not is_stuck and self._link.is_well(now_s)

    @property
    def _is_done(self) -> bool:
        if self._safe_mode is not None:
            return self._safe_mode.is_over
        return (self._intake is None or self._intake.is_over) and self._link.is_done

    def _is_capture_due(self, now_s: float) -> bool:
        """At the interval's end; without one when the line is nearly free, since images age."""
        if self._intake is None or not self._intake.is_due(now_s, self._link.unix_offset_s):
            return False
        return self._intake.has_interval or self._link.wants_image(now_s)

    def _capture(self, now_s: float) -> None:
        """Ask for an image if one is due, and queue what the source gives."""
        if self._intake is None or self._intake.is_over:
            return
        if self._is_capture_due(now_s):
            self._intake.ask(now_s)
        image = self._intake.take(now_s, self._link.unix_offset_s)
        if image is not None:
            try:
                self._keep(image)
            except UnreadableImageError as error:
                self._intake.leave_out(error, now_s, self._link.unix_offset_s)
        if self._intake.is_over:
            self._end_source()

    def _keep(self, image: Image) -> None:
        """An image was captured: into the queue with it if it shows something new. A bundle on
        trial has every image to encode.
        """
        is_on_trial = self._trial is not None and not self._trial.is_over
        if self._intake is None or not self._intake.lets_pass(image, is_on_trial):
            return
        captured = self._queue(image)
        self._saving[captured.image] = captured
        self._tell_saved(wait=False)

    def _tell_saved(self, wait: bool) -> None:
        """Tell of the images that are safe by now; `wait` until all are."""
        for image in self._link.arrived(wait) if self._saving else ():
            self.n_images += 1
            self._console.image(self._saving.pop(image))
            if self._trial is not None:
                self._trial.image_queued()

    def _queue(self, image: Image) -> Captured:
        assert self._loaded is not None, "without a bundle nothing is captured"
        encoded = self._loaded.encode(image.pixels)
        began_s = time.perf_counter()
        captured_s = boot_s() - (time.monotonic() - image.captured_s)
        n_chunks, image_id = self._link.put_soon(encoded.bitstream, captured_s)
        put_ms = 1000 * (time.perf_counter() - began_s)
        if self._collector is not None:
            offset_s = self._link.unix_offset_s
            unix_s = None if offset_s is None else captured_s + offset_s
            self._collector.offer(image, encoded.symbols, image_id, captured_s, unix_s)
        ms = encoded.ms | {"coder": encoded.ms["coder"] + put_ms}
        return Captured(
            image=image_id,
            label=image.label,
            pixels=image.pixels.tobytes(),
            shape=image.pixels.shape,
            bitstream_bytes=len(encoded.bitstream),
            n_chunks=n_chunks,
            ms=ms,
        )

    def _end_source(self) -> None:
        """No image comes any more: what waits is sent, and then the node ends."""
        self._tell_saved(wait=True)
        error = self._intake.error if self._intake else None
        if (n_waiting := self._link.end_images()) and error is not None:
            self._console.notice(f"{error}; {n_waiting} images wait and are sent first")

    def _listen(self) -> None:
        """Until something is due, or something came; what is not safe yet comes first, but for an
        image that is just being taken.
        """
        self._tell_saved(wait=self._intake is not None and not self._intake.is_busy)
        now_s = boot_s()
        self._link.governor.keep_time(now_s)
        due_s = [now_s + IDLE_S]
        if (link_due_s := self._link.next_due_s(now_s)) is not None:
            due_s.append(link_due_s)
        if self._link.is_idle and self._is_capture_due(now_s):
            due_s.append(now_s)
        if self._intake is not None:
            due_s.append(self._intake.wake_s(now_s, self._link.unix_offset_s))
        self._link.listen(max(0.0, min(due_s) - now_s))


def _opener(config: NodeConfig, spec: ImageSpec) -> OpenSource:
    has_pictures = config.collect is not None
    return lambda limit: open_source(
        replace(config.source, limit=limit), spec, config.state_dir, has_pictures=has_pictures
    )
