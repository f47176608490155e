"""Worker: one of a fleet's hosts. It may be killed at any moment, and others go on with its nodes.

    packets of its partitions  ->  hosts decode and classify  ->  one transaction, which holds the
    leases that are still its own  ->  answers leave, gateways are told `stored`, the broker
    may forget

A worker keeps nothing. Where the store, the broker or a lease is lost it begins anew, as after a
kill: hosts from what is stored, packets from the broker and the gateways' spools.
"""

import secrets
import select
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial

from host_decoder.config import HostConfig, KnownNode
from host_decoder.decode.readers import Readers
from host_decoder.errors import ConfigError
from host_decoder.events import Heard, Notice
from host_decoder.fleet import news
from host_decoder.fleet.partition import Dealt, Partition, Said, Site, receive_all
from host_decoder.fleet.shares import LEADER, WORKER, name_of, plan
from host_decoder.fleet.words import ORDER, duty_name, read_duty, read_order
from host_decoder.receive.newcomers import Newcomers
from host_decoder.store.database.access import UnstorableError
from host_decoder.store.database.file import StoreError
from host_decoder.store.leases import Leases
from host_decoder.store.shared import SharedStore
from link.base import Pause, boot_s
from link.carriers.mqtt import Message
from link.gateway import topics

BEAT_S = 1.0
"Between two looks at leases, counts and new nodes."
POLL_S, SHORTEST_WAIT_S = 0.05, 0.001
LOOK_S = 0.25
"How often each connection is looked at: it may be gone, or opened by now."
TELL_S = 0.1
"Between two words to gateways on what is stored."
ROUND_S = 0.015
"From one transaction to the next at least: what comes meanwhile shares it."
PER_PARTITION, AT_ONCE = 32, 64
"""Packets of one transaction. A slow store gets as many: fewer cost it as much, and whoever is
behind would fall back further.
"""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 2.0
"Before a store that failed is tried again."


class Worker:
    """One process's share of a fleet."""

    def __init__(
        self, configs: Sequence[HostConfig], committed: Callable[[float], None] | None = None
    ) -> None:
        """`committed`: told how long each transaction took. ConfigError where the sites have no
        store or no broker in common.
        """
        check_alike(configs)
        self._sites = {
            config.site: Site(config, {node.number: node for node in config.nodes})
            for config in configs
        }
        self._newcomers = {
            name: Newcomers(site.config.path, set(site.nodes)) for name, site in self._sites.items()
        }
        self.owner = secrets.token_hex(6)
        self._committed = committed or (lambda took_s: None)
        self._shared: SharedStore | None = None
        self._partitions: dict[str, Partition] = {}
        self._preloaded: dict[int, int] = {}
        "Partitions whose nodes are known already, and that wait to be served; with their epochs."
        self._own: dict[str, int] = {}
        self._readers = Readers()
        self._dealt: Dealt = defaultdict(list)
        "Stored, and not told to gateways."
        self._beat_s = self._retry_s = self._looked_s = self._told_s = self._took_s = 0.0
        self._pause = Pause(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._trouble = ""
        self._at_once, self._beats, self._n_told = AT_ONCE, 0, 0
        self._said: list[Said] = []
        self._heard: list[tuple[str, Heard]] = []
        self._news: list[str] = []

    @property
    def is_leader(self) -> bool:
        """Whether this one does what only one may."""
        return LEADER in self._own

    @property
    def partitions(self) -> list[str]:
        return sorted(self._partitions)

    def run(self, should_stop: Callable[[], bool]) -> Iterator[Said | None]:
        """What it says, as it happens, and a None at least every POLL_S."""
        try:
            while not should_stop():
                yield from self.work()
                yield None
        finally:
            self._end()
        yield from self._take_said()

    def work(self) -> list[Said]:
        """One round: what is due, what has come, what there is to say."""
        try:
            if time.monotonic() < self._retry_s:
                time.sleep(POLL_S)
            else:
                self._round()
        except UnstorableError as error:
            self._begin_anew(error)
            self._at_once = 1  # the one packet that no store could hold is found, and left out
        except StoreError as error:
            if not (error.is_passing or self._trouble or self._partitions):
                raise
            self._begin_anew(error)
        return self._take_said()

    # One round

    def _round(self) -> None:
        if self._shared is None:
            self._shared = SharedStore(self._dsn, list(self._sites), self.owner)
        if time.monotonic() >= self._beat_s + BEAT_S:
            self._beat(self._shared)
        is_growing = self._adopt_one(self._shared)
        time.sleep(max(0.0, self._took_s + ROUND_S - time.monotonic()))
        taken, left = [], self._at_once
        for one in self._wait(0.0 if is_growing else POLL_S):
            messages = one.messages(min(left, PER_PARTITION))
            left -= len(messages)
            if messages:
                taken.append((one, messages))
        if taken:
            self._take(self._shared, taken)
        for one in self._partitions.values():
            for gateway, seqs in one.settle(boot_s()).items():
                self._dealt[gateway] += seqs
        self._tell_stored()
        self._tell_duties(self._shared)

    def _wait(self, longest_s: float) -> list[Partition]:
        """Until something comes, or is due: who is to be looked at then."""
        now_s = boot_s()
        all_of_them = list(self._partitions.values())
        due = [one.next_due_s(now_s) for one in all_of_them]
        first_s = min((one for one in due if one is not None), default=now_s + POLL_S)
        behind = [one for one in all_of_them if one.is_behind]
        wait_s = 0.0 if behind else min(longest_s, max(SHORTEST_WAIT_S, first_s - now_s))
        sockets = {number: one for one in all_of_them if (number := one.fileno()) >= 0}
        try:
            readable, _, _ = select.select(list(sockets), [], [], wait_s)
        except (OSError, ValueError):  # one is gone: whoever uses it next says so
            time.sleep(SHORTEST_WAIT_S)
            return all_of_them
        if time.monotonic() >= self._looked_s + LOOK_S:
            self._looked_s = time.monotonic()
            return all_of_them
        spoken_to = {sockets[number].number for number in readable} | {one.number for one in behind}
        return [one for one in all_of_them if one.number in spoken_to]

    def _tell_stored(self) -> None:
        """What gateways may let go of: nobody waits for it, so it is told of many at once."""
        if not self._dealt or time.monotonic() < self._told_s + TELL_S:
            return
        self._told_s = time.monotonic()
        if any(one.tell_stored(self._dealt) for one in self._partitions.values()):
            self._dealt = defaultdict(list)

    def _take(
        self, shared: SharedStore, taken: Sequence[tuple[Partition, Sequence[Message]]]
    ) -> None:
        """Store what came; StoreError: nothing of it, and everything begins anew."""
        self._took_s = time.monotonic()
        try:
            self._commit(shared, receive_all(taken, boot_s()))
        except UnstorableError as error:
            if sum(len(messages) for _, messages in taken) == 1:
                taken[0][0].leave_out()
                self._say(Notice(str(error), is_problem=True))
            raise
        self._at_once = min(AT_ONCE, 2 * self._at_once)

    def _commit(self, shared: SharedStore, said: Sequence[Said]) -> None:
        heard, self._heard = self._heard, []
        held = {name: one.epoch for name, one in self._partitions.items()}
        lines = [news.line(site, event) for site, event in (*said, *heard)]
        self._news += [line for line in lines if line is not None]
        begun_s = time.monotonic()
        if shared.commit(held, self._news):
            self._committed(time.monotonic() - begun_s)
            self._news = []
        self._said += said

    # Once a second

    def _beat(self, shared: SharedStore) -> None:
        self._beat_s = time.monotonic()
        leases = shared.leases
        self._own = leases.renew()
        for name in [name for name in self._partitions if self._is_lost(name)]:
            self._partitions.pop(name).close()
            self._say(Notice(f"another worker has partition {name} now"))
        todo = plan(self.owner, self._own, leases.held())
        self._let_go(shared, todo.release)
        for name in todo.take:
            epoch = leases.take(name)
            if epoch is not None:
                self._own[name] = epoch
        self._preload(shared)
        if not self._beats:
            leases.forget(f"{WORKER}%")
        self._beats += 1
        if self._trouble:
            self._trouble = ""
            self._say(Notice("the store is written again", is_problem=True))
        self._pause.worked()
        said = [event for one in self._partitions.values() for event in one.count_in_time(boot_s())]
        self._obey(leases)
        for name, newcomers in self._newcomers.items():
            found = newcomers.welcome(_Welcome(self, name))
            said += [(name, notice) for notice in found]
        self._commit(shared, said)

    def _obey(self, leases: Leases) -> None:
        """What people asked of nodes at pages."""
        for order in leases.left(ORDER):
            site, node, word = read_order(order)
            one = self._partitions.get(name_of(topics.partition_of(site, node)))
            if one is not None:
                one.order(site, node, word)
                leases.take_back(order)

    def _tell_duties(self, shared: SharedStore) -> None:
        """What gateways told of their airtime, for pages."""
        for one in self._partitions.values():
            for (site, gateway), status in one.take_statuses().items():
                if (duty := read_duty(status)) is not None:
                    shared.leases.hand_on(duty_name(site, gateway), duty)

    def _preload(self, shared: SharedStore) -> None:
        """What hosts of partitions that are new here will ask first, of all of them together."""
        new = {
            number: epoch
            for number in range(topics.PARTITIONS)
            if (epoch := self._own.get(name_of(number))) is not None
            and name_of(number) not in self._partitions
        }
        if new.items() - self._preloaded.items():
            shared.preload(
                {
                    name: [node for number in new for node in site.nodes_of(number)]
                    for name, site in self._sites.items()
                }
            )
        self._preloaded = new

    def _is_lost(self, name: str) -> bool:
        return self._own.get(name) != self._partitions[name].epoch

    def _let_go(self, shared: SharedStore, names: Sequence[str]) -> None:
        """To a worker that has less; all that came is stored."""
        for name in names:
            self._own.pop(name)
            if name in self._partitions:
                self._partitions.pop(name).close()
        if names:
            shared.leases.release(names)

    def _adopt_one(self, shared: SharedStore) -> bool:
        """A partition that is new here, if any: its hosts begin with what is stored. One at a time:
        those that work already are not kept waiting.
        """
        for number in range(topics.PARTITIONS):
            name = name_of(number)
            if name in self._own and name not in self._partitions:
                break
        else:
            self._tell_share()
            return False
        epoch = self._own[name]
        self._partitions[name] = Partition(
            number, epoch, self._sites, shared, self._readers, self._onlooker, self._say
        )
        return True

    def _tell_share(self) -> None:
        if (n_now := len(self._partitions)) != self._n_told:
            self._n_told = n_now
            self._say(Notice(f"works on {n_now} of {topics.PARTITIONS} partitions"))

    def add_nodes(self, site: str, nodes: Sequence[KnownNode]) -> None:
        """They came while it runs."""
        self._sites[site].nodes |= {node.number: node for node in nodes}
        for one in self._partitions.values():
            one.add_nodes(self._sites[site], nodes)

    # When something fails

    def _begin_anew(self, error: StoreError) -> None:
        """What is not stored comes again, from the broker or the gateways."""
        for one in self._partitions.values():
            one.close()
        self._partitions.clear()
        self._preloaded.clear()
        self._heard.clear()
        self._news.clear()
        self._retry_s = time.monotonic() + self._pause.failed()
        self._beat_s = 0.0
        if self._shared is not None:
            self._shared.forget()
        if str(error) != self._trouble:
            self._trouble = str(error)
            kept = "until then nothing is acknowledged, and what comes waits at the broker"
            self._say(Notice(f"{error}; {kept}", is_problem=True))

    def _end(self) -> None:
        """In order, as far as the store lets it; others need not wait for leases to end."""
        shared = self._shared
        if shared is None:
            return
        with suppress(StoreError):
            for one in self._partitions.values():
                one.end()
            self._commit(shared, [])
        for one in self._partitions.values():
            one.close()
        with suppress(StoreError):
            shared.leases.release(self._own)
        shared.close()

    @property
    def _dsn(self) -> str:
        return str(next(iter(self._sites.values())).config.store)

    def _onlooker(self, site: str) -> Callable[[object], None]:
        def look(event: object) -> None:
            if isinstance(event, Heard):
                self._heard.append((site, event))

        return look

    def _say(self, notice: Notice) -> None:
        self._said.append(("", notice))

    def _take_said(self) -> list[Said]:
        said, self._said = self._said, []
        return said


class _Welcome:
    """A site's nodes, wherever their partitions are."""

    def __init__(self, worker: Worker, site: str) -> None:
        self.add_nodes = partial(worker.add_nodes, site)


def check_alike(configs: Sequence[HostConfig]) -> None:
    """ConfigError unless these are sites of one fleet."""
    for config in configs:
        if config.fleet is None:
            raise ConfigError(
                f"{config.path} has no [fleet]; several host folders are one fleet's, with one "
                "store and one broker"
            )
        first = configs[0]
        assert first.fleet is not None
        if config.store != first.store or config.fleet.host != first.fleet.host:
            raise ConfigError(
                f"{config.path} and {first.path} have other stores or brokers; a fleet has one of "
                "each"
            )
    names = [config.site for config in configs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"two host folders are of site {twice[0]}; give each another `site`")
    places = [one.listen for config in configs if (one := config.outputs.prometheus) is not None]
    if twice := [place for place in places if places.count(place) > 1]:
        raise ConfigError(
            f"two sites have [prometheus] at {twice[0]}; one leader speaks for all, so give each "
            "another `listen`"
        )
