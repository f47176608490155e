"""The listener: a host at a real port, for as long as it is wanted; JSON lines for programs, the view for people."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from rich.console import Console

from host_decoder.config import HostConfig
from host_decoder.events import Answer, Event, Explainer, Notice, Refusal
from host_decoder.service import Host, listen
from host_decoder.store import Store
from host_decoder.tally import Tally
from host_decoder.view import Title, make_view, summary


class Listener:
    """Runs what host.toml describes until should_stop(), `count` images, or idle_timeout_s without a packet."""

    def __init__(
        self,
        config: HostConfig,
        should_stop: Callable[[], bool],
        count: int | None = None,
        idle_timeout_s: float | None = None,
    ) -> None:
        self._config = config
        self._should_stop = should_stop
        self._count, self._idle_timeout_s = count, idle_timeout_s
        self._explainer = Explainer()
        self.tally = Tally()

    def print_lines(self, print_json: Callable[[dict[str, Any]], None], say: Callable[[str], None]) -> None:
        """Answers and refusals (at most one of a kind in a while) as JSON, sentences for the person apart."""
        for event in self._events():
            if isinstance(event, Answer):
                print_json(event.to_json())
            elif isinstance(event, Refusal):
                if sentence := self._explainer.explain(event, time.time()):
                    print_json({**event.to_json(), "sentence": sentence, "n": self.tally.refusals[event.reason]})
                    say(sentence)
            elif isinstance(event, Notice):
                say(event.sentence)

    def show(self, console: Console) -> None:
        """The live view, and a table at the end. The pictures stay on the nodes."""
        config = self._config
        title = Title(
            bundle=", ".join(sorted({f"{node.bundle.path.name} {node.bundle.id.hex()}" for node in config.nodes})),
            link=config.profile.name if config.profile else config.port,
            node=", ".join(str(node.number) for node in config.nodes),
        )
        with make_view(title, console) as view:
            for event in self._events():
                if isinstance(event, Answer):
                    view.show(self.tally, self.tally.row_of(event))
                elif isinstance(event, Refusal):
                    if sentence := self._explainer.explain(event, time.time()):
                        view.notice(sentence)
                elif isinstance(event, Notice) and event.is_problem:
                    view.notice(event.sentence)
                view.tick(self.tally)
        console.print(summary(title, self.tally))

    def _events(self) -> Iterator[Event | Notice | None]:
        """What the host says, counted on the way, until it is time to end."""
        config = self._config
        yield from (Notice(warning, is_problem=True) for warning in config.warnings)
        with Store(config.store) as store:
            host = Host(config.nodes, store, config.other_bundles)
            last_packet_s = time.monotonic()
            with closing(listen(host, config.port, config.bitrate_bps, self._should_stop)) as events:
                for event in events:
                    if isinstance(event, Answer):
                        self.tally.add_answer(event, time.time())
                    elif isinstance(event, Refusal):
                        self.tally.add_refusal(event)
                    if isinstance(event, (Answer, Refusal)):
                        last_packet_s = time.monotonic()
                    yield event
                    if self._count is not None and self.tally.n_complete >= self._count:
                        return
                    if self._idle_timeout_s is not None and time.monotonic() > last_packet_s + self._idle_timeout_s:
                        return
