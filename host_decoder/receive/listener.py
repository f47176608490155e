"""The listener: a host at its gateways, for as long as it is wanted; JSON lines for programs, the
screen for people.
"""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from typing import Any

from rich.console import Console

from host_decoder.config import HostConfig
from host_decoder.events import Answer, Duty, Event, Explainer, Heard, Notice, Onlooker
from host_decoder.receive.clock import WallClock
from host_decoder.receive.ends import GatewayEntry
from host_decoder.receive.gateways import POLL_S, governors_of, listen, timing_of
from host_decoder.receive.host import Host
from host_decoder.receive.newcomers import Newcomers
from host_decoder.receive.orders import Orders
from host_decoder.store.database.access import Database
from host_decoder.store.database.file import StoreError
from host_decoder.store.history.worker import job_worker
from host_decoder.store.shelf import FIRST_PAUSE_S, LONGEST_PAUSE_S
from host_decoder.store.store import Store
from host_decoder.view.statistics_view import link_tables
from host_decoder.view.summary import Title, summary
from host_decoder.view.tally import Tally
from host_decoder.view.terminal import make_screen
from link.base import boot_s
from link.host import Rejected
from link.output import Notifier

WORKED_PERIOD_S = 1.0
"How often the service manager is told that the loop goes round."
DUTY_PERIOD_S = 5.0
"How often it is said what gateways have used of their airtime."


Companion = Callable[[Database], AbstractContextManager[None]]
"What works beside the host, and has the host write what a person decides."


class Listener:
    """Runs what host.toml describes until should_stop(), `count` settled images, or idle_timeout_s
    without a packet.
    """

    def __init__(
        self,
        config: HostConfig,
        should_stop: Callable[[], bool],
        count: int | None = None,
        idle_timeout_s: float | None = None,
        notifier: Notifier | None = None,
        onlookers: Sequence[Onlooker] = (),
        companions: Sequence[Companion] = (),
        asides: Callable[[], Sequence[Notice]] = tuple,
        orders: Orders | None = None,
    ) -> None:
        """`notifier`: of the service manager, who starts a host again whose loop stands still.

        `onlookers`: told of every event, and of each packet besides. `companions`: entered while
        the store is open. `asides`: what others of this process have to say. `orders`: of people to
        nodes.
        """
        self._orders = orders or Orders()
        self._duty_s = float("-inf")
        self._companions = companions
        self._asides = asides
        self._onlookers = tuple(onlookers)
        self._config = config
        self._should_stop = should_stop
        self._count = count
        self._idle_timeout_s = idle_timeout_s
        self._notifier = notifier or Notifier({})
        self._worked_s = float("-inf")
        self._explainer = Explainer()
        self.tally = Tally()
        self._governors = governors_of(config.gateways, config.state_dir)
        self._figures: dict[int, dict[str, Any]] = {}

    def print_lines(
        self, print_json: Callable[[dict[str, Any]], None], say: Callable[[str], None]
    ) -> None:
        """Answers, and what was rejected (at most one of a kind in a while), as JSON; sentences for
        the person apart.
        """
        for event in self._events():
            if isinstance(event, Answer):
                print_json(event.to_json())
            elif isinstance(event, Rejected):
                if sentence := self._explainer.explain(event, time.monotonic()):
                    n = self.tally.rejected[event.reason]
                    print_json(
                        {"event": "refusal", "reason": event.reason, "sentence": sentence, "n": n}
                    )
                    say(sentence)
            elif isinstance(event, Notice):
                say(event.sentence)

    def show(self, console: Console) -> None:
        """The screen, and a table at the end. The pictures stay on the nodes."""
        config = self._config
        title = Title(
            bundle=", ".join(
                sorted({f"{node.bundle.path.name} {node.bundle.id.hex()}" for node in config.nodes})
            ),
            link=", ".join(f"{gateway.medium} at {gateway.name}" for gateway in config.gateways),
            node=", ".join(str(node.number) for node in config.nodes),
            has_console=False,
        )
        with make_screen(title, console) as screen:
            for event in self._events():
                if isinstance(event, Answer):
                    screen.show(self.tally, self.tally.row_of(event))
                elif isinstance(event, Rejected):
                    if sentence := self._explainer.explain(event, time.monotonic()):
                        screen.notice(sentence)
                elif isinstance(event, Notice) and event.is_problem:
                    screen.notice(event.sentence)
                screen.tick(self.tally)
        console.print(summary(title, self.tally))
        console.print(
            *link_tables(
                [{"node": number, **figures} for number, figures in self._figures.items()]
            ),
            sep="\n",
        )

    def _events(self) -> Iterator[Event | Notice | None]:
        """What the host says; the service manager hears that it works, and what is the matter."""
        for event in self._heard():
            if isinstance(event, Notice):
                self._notifier.status(event.sentence)
            if event is not None:
                self._show(event)
            for aside in self._asides():
                self._notifier.status(aside.sentence)
                self._show(aside)
                yield aside
            if time.monotonic() >= self._worked_s + WORKED_PERIOD_S:
                self._worked_s = time.monotonic()
                self._notifier.worked()
            yield event
        self._notifier.stopping()

    def _show(self, event: Event | Heard | Notice | Duty) -> None:
        for onlooker in self._onlookers:
            onlooker(event)

    def _heard(self) -> Iterator[Event | Notice | None]:
        """What the host says, counted on the way, until it is time to end."""
        config = self._config
        yield from (Notice(warning, is_problem=True) for warning in config.warnings)
        store = yield from self._opened()
        if store is None:
            return
        with store, closing(self._host(store)) as host, ExitStack() as running:
            with suppress(StoreError):  # said of the first packet, if it lasts
                store.introduce(config.nodes)
            running.enter_context(job_worker(store.database))
            for companion in self._companions:
                running.enter_context(companion(store.database))
            sentences = [*self._silences(), *self._ledger_notices(), *host.notices]
            yield from (Notice(sentence, is_problem=True) for sentence in sentences)
            last_packet_s = time.monotonic()
            newcomers = Newcomers(config.path, {node.number for node in config.nodes})
            lost: dict[int, int] = {}
            with closing(listen(host, config.gateways, self._should_stop)) as events:
                for event in events:
                    if isinstance(event, Answer | Rejected):
                        last_packet_s = time.monotonic()
                        if event.node is not None and event.node in host.nodes:
                            lost[event.node] = host.n_lost(event.node)
                            self.tally.n_lost = sum(lost.values())
                    yield self._counted(event)
                    yield from newcomers.welcome(host)
                    self._orders.give(host)
                    self._tell_duty(boot_s())
                    if self._count is not None and self.tally.n_settled >= self._count:
                        break
                    if (
                        self._idle_timeout_s is not None
                        and time.monotonic() > last_packet_s + self._idle_timeout_s
                    ):
                        break
            self._figures = {number: host.figures(number) for number in host.nodes}
            for event in host.settle(boot_s()):
                yield self._counted(event)

    def _tell_duty(self, now_s: float) -> None:
        """What gateways have used of their airtime, to whoever looks on."""
        if not self._onlookers or now_s < self._duty_s + DUTY_PERIOD_S:
            return
        self._duty_s = now_s
        for gateway, governor in zip(self._config.gateways, self._governors, strict=True):
            if (duty := governor.duty_s(now_s)) is not None:
                self._show(Duty(gateway.name, *duty))

    def _counted(self, event: Event | Notice | None) -> Event | Notice | None:
        if isinstance(event, Answer):
            self.tally.add_answer(event, time.time())
        elif isinstance(event, Rejected):
            self.tally.add_rejected(event)
        return event

    def _opened(self) -> Generator[Notice | None, None, Store | None]:
        """The store, as soon as it can be read; None when the wait is ended. What cannot pass ends
        the host.

        Nothing is received before: without a node's session in it a recording would be taken for
        news.
        """
        config = self._config
        said, pause_s, retry_s = "", FIRST_PAUSE_S, 0.0
        while True:
            if time.monotonic() >= retry_s:
                try:
                    store = Store(config.store, site=config.site, keep=config.keep)
                    self._notifier.ready()
                    return store
                except StoreError as error:
                    if not error.is_passing:
                        raise
                    if str(error) != said:
                        said = str(error)
                        self._notifier.ready()  # it is up, and waits for a person
                        yield Notice(f"{error}; nothing is received until then", is_problem=True)
                retry_s, pause_s = time.monotonic() + pause_s, min(2 * pause_s, LONGEST_PAUSE_S)
            if self._should_stop():
                return None
            time.sleep(POLL_S)
            yield None

    def _host(self, store: Store) -> Host:
        config = self._config
        return Host(
            config.nodes,
            store,
            config.other_bundles,
            timing_of(config.gateways),
            config.verdict,
            [
                GatewayEntry(gateway.name, governor, gateway.is_network)
                for gateway, governor in zip(config.gateways, self._governors, strict=True)
            ],
            WallClock(config.is_clock_trusted),
            self._show if self._onlookers else None,
        )

    def _ledger_notices(self) -> list[str]:
        """What had to be done about files of airtime: a gateway may have to be silent for an
        hour.
        """
        return [
            governor.ledger.notice
            for governor in self._governors
            if governor.ledger.notice is not None
        ]

    def _silences(self) -> list[str]:
        """Why gateways that should speak will not."""
        gateways = zip(self._config.gateways, self._governors, strict=True)
        return [
            f"gateway {gateway.name} only listens: {governor.silent_because}"
            for gateway, governor in gateways
            if gateway.has_downlink and not gateway.is_network and governor.silent_because
        ]
