"""Partition: a share of the fleet's nodes, while this worker owns it: one MQTT session, and a host
for each site that has nodes in it.

    taken = [(partition, partition.messages(32)) for partition in ...]
    said = receive_all(taken, now_s)
    ... all of it is stored ...
    partition.settle(now_s)         what is to be said leaves, and only now is anything acknowledged

A worker may end between any two of these lines: what was not acknowledged comes again, to whoever
owns the partition then, whose hosts begin with what is stored.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from host_decoder.config import HostConfig, KnownNode
from host_decoder.decode.readers import Readers
from host_decoder.events import Event, Notice, Onlooker
from host_decoder.receive.answers import answer_all
from host_decoder.receive.clock import WallClock
from host_decoder.receive.ends import GatewayEntry
from host_decoder.receive.host import Host
from host_decoder.receive.judging import Opened
from host_decoder.store.shared import SharedStore
from link.base import boot_s
from link.carriers import PortError, Received
from link.carriers.mqtt import BrokerConnection, BrokerSession, Message
from link.gateway import topics
from link.medium import LinkTiming, get_profile

CONNECT_S = 3.0
"Shorter than a lease: a broker that is away costs no partition."
Say = Callable[[Notice], None]
Said = tuple[str, Event | Notice]
"What there is to say, and of which site; empty: of the worker itself."
Dealt = defaultdict[tuple[str, str], list[int]]
"Numbers of packets, by site and gateway."


@dataclass
class Site:
    """A site of the fleet: what its host.toml says."""

    config: HostConfig
    nodes: dict[int, KnownNode] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.config.site

    @property
    def gateways(self) -> tuple[str, ...]:
        assert self.config.fleet is not None
        return self.config.fleet.gateways

    def nodes_of(self, partition: int) -> list[KnownNode]:
        return [
            node
            for number, node in self.nodes.items()
            if topics.partition_of(self.name, number) == partition
        ]


class Partition:
    """One, from taking it to losing it."""

    def __init__(
        self,
        number: int,
        epoch: int,
        sites: Mapping[str, Site],
        shared: SharedStore,
        readers: Readers,
        onlooker: Callable[[str], Onlooker],
        say: Say,
    ) -> None:
        """`onlooker`: by site, who is told of each packet."""
        self.number, self.epoch, self._readers = number, epoch, readers
        self._sites, self._shared, self._onlooker, self._say = sites, shared, onlooker, say
        self._hosts = {name: self._host(site) for name, site in sites.items()}
        self._owing: set[str] = set()
        "Sites whose hosts may have something to say."
        self._waiting: list[Message] = []
        "Came, and not yet looked at."
        self._taken: list[Message] = []
        "Looked at, and not yet acknowledged."
        self._dealt: Dealt = defaultdict(list)
        "The same, by their numbers."
        self._statuses: dict[tuple[str, str], bytes] = {}
        "How gateways said that they are, by site and gateway; told to the first partition."
        self.session = BrokerSession(self._connect, self._changed)

    def _connect(self) -> BrokerConnection:
        fleet = next(iter(self._sites.values())).config.fleet
        assert fleet is not None
        connection = BrokerConnection(
            fleet.settings(topics.session_of(self.number)),
            [topics.up_topics(self.number), *([topics.STATUSES] if not self.number else [])],
            remedy="check user and password_file of [fleet]",
            keeps_session=True,
            has_version_5=True,
            connect_timeout_s=CONNECT_S,
        )
        if not connection.is_version_5:
            connection.close()
            raise PortError(f"the broker {fleet.host} does not speak MQTT 5; name one that does")
        return connection

    def _changed(self, error: PortError | None) -> None:
        """What a lost connection brought and nobody acknowledged comes again with the next."""
        self._waiting, self._taken = [], []
        self._dealt.clear()
        if error is not None:
            self._say(Notice(f"{error}; trying again", is_problem=True))

    # Up

    def messages(self, most: int) -> list[Message]:
        """What has come, at most so many; the others wait."""
        if (connection := self.session.connection) is not None:
            try:
                connection.work(0.0)
                while len(self._waiting) < most:
                    connection.read()
                    came = connection.take()
                    self._waiting += came
                    if not came:
                        break
            except PortError as error:
                self.session.lose(error)
        taken, self._waiting = self._waiting[:most], self._waiting[most:]
        return taken

    @property
    def is_behind(self) -> bool:
        """Whether something has come already that is not looked at."""
        connection = self.session.connection
        return bool(self._waiting) or (connection is not None and connection.is_behind)

    def fileno(self) -> int:
        """To wait for; -1: it is away."""
        connection = self.session.connection
        return -1 if connection is None else connection.fileno()

    def open(self, messages: Sequence[Message], now_s: float) -> list["OpenedHere"]:
        """What came, by site, and what it asks."""
        heard: defaultdict[str, list[tuple[int, Received]]] = defaultdict(list)
        for message in messages:
            self._taken.append(message)
            if (told := topics.STATUS.fullmatch(message.topic)) is not None:
                if told[1] in self._sites:
                    self._statuses[told[1], told[2]] = message.payload
                continue
            try:
                site_name, gateway = topics.read_up_topic(message.topic)
                uplink = topics.Uplink.read(message.payload, message.about)
                number = self._sites[site_name].gateways.index(gateway)
            except KeyError:
                self._refuse(f"site {site_name} is none of this worker's; name its host folder too")
            except ValueError as error:
                self._refuse(f"a message of {message.topic} is left out ({error})")
            else:
                received = Received(
                    uplink.packet, uplink.quality, (uplink.seq, now_s), uplink.unix_s
                )
                heard[site_name].append((number, received))
                self._dealt[site_name, gateway].append(uplink.seq)
        self._owing |= heard.keys()
        return [
            (name, self._hosts[name], self._hosts[name].open_all(packets, now_s))
            for name, packets in heard.items()
        ]

    def _refuse(self, sentence: str) -> None:
        self._say(Notice(sentence, is_problem=True))

    def count_in_time(self, now_s: float) -> list[Said]:
        """What is due by itself."""
        events: list[Said] = []
        for name, host in self._hosts.items():
            events += [(name, event) for event in host.count_in_time(now_s)]
            host.check_stored()
        return events

    def take_statuses(self) -> dict[tuple[str, str], bytes]:
        """What gateways said of themselves since the last call, by site and gateway."""
        statuses, self._statuses = self._statuses, {}
        return statuses

    def order(self, site: str, node: int, word: str) -> None:
        """What a person asks of a node; nothing, where the site is none of this worker's."""
        if site in self._hosts:
            self._hosts[site].order(node, word)
            self._owing.add(site)

    def add_nodes(self, site: Site, nodes: Sequence[KnownNode]) -> None:
        """Some came while it runs."""
        own = [node for node in nodes if topics.partition_of(site.name, node.number) == self.number]
        if own:
            self._hosts[site.name].add_nodes(own)

    def _host(self, site: Site) -> Host:
        """Begins with what is stored."""
        config, fleet = site.config, site.config.fleet
        assert fleet is not None
        return Host(
            site.nodes_of(self.number),
            self._shared.of(site.name),
            config.other_bundles,
            LinkTiming(get_profile(fleet.profile)),
            config.verdict,
            [GatewayEntry(gateway) for gateway in site.gateways],
            WallClock(config.is_clock_trusted),
            self._onlooker(site.name),
            grants_slots=False,
            readers=self._readers,
        )

    # Down

    def settle(self, now_s: float) -> Dealt:
        """All that came is stored: answers first, since nodes wait for them. What gateways may be
        told of.
        """
        connection = self.session.connection
        dealt: Dealt = defaultdict(list)
        if connection is None or not (self._owing or self._taken):
            return dealt
        try:
            self._speak(connection, now_s)
            for message in self._taken:
                connection.acknowledge(message)
            self._taken = []
            dealt, self._dealt = self._dealt, dealt
        except PortError as error:
            self.session.lose(error)
        return dealt

    def tell_stored(self, dealt: Dealt) -> bool:
        """Gateways let go of these then; whether they were told."""
        if (connection := self.session.connection) is None:
            return False
        try:
            for (site, gateway), seqs in dealt.items():
                topic = topics.gateway_topic(site, gateway, "stored")
                connection.publish(topic, topics.pack_stored(seqs), qos=0)
        except PortError as error:
            self.session.lose(error)
            return False
        return True

    def _speak(self, connection: BrokerConnection, now_s: float) -> None:
        for name in list(self._owing):
            host = self._hosts[name]
            while (downlink := host.next_packet(now_s)) is not None:
                host.transmitted(now_s)
                origin = host.origin_of(downlink)
                if not isinstance(origin, tuple):
                    continue
                seq, heard_s = origin
                told = topics.SentDown(downlink.packet, seq, now_s - heard_s)
                topic = topics.gateway_topic(
                    name, self._sites[name].gateways[downlink.gateway], "down"
                )
                connection.publish(
                    topic, told.packet, qos=0, expiry_s=topics.EXPIRY_S, about=told.about()
                )
            if host.next_due_s(now_s) is None:
                self._owing.discard(name)

    def next_due_s(self, now_s: float) -> float | None:
        """When there may be something to say; None: not before something comes."""
        due = [self._hosts[name].next_due_s(now_s) for name in self._owing]
        return min((one for one in due if one is not None), default=None)

    def leave_out(self) -> None:
        """What came is answered as if it were stored: no store could hold it."""
        for host in self._hosts.values():
            while host.next_packet(boot_s()) is not None:
                host.transmitted(boot_s())
        self.settle(boot_s())

    def end(self) -> None:
        """Its counts wait to be stored; the session stays at the broker, for who comes next."""
        for host in self._hosts.values():
            host.close()

    def close(self) -> None:
        self.session.close()


OpenedHere = tuple[str, Host, Opened]
"A site, its host here, and what that has opened."


def receive_all(taken: Sequence[tuple[Partition, Sequence[Message]]], now_s: float) -> list[Said]:
    """What these lead to, each with its site; to be stored by the shared store's commit. All images
    are decoded and classified together, whoever's they are.
    """
    opened = [one for partition, messages in taken for one in partition.open(messages, now_s)]
    answers = answer_all([asked for _, _, one in opened for asked in one.asked])
    said: list[Said] = []
    place = 0
    for name, host, one in opened:
        own = answers[place : place + len(one.asked)]
        place += len(one.asked)
        said += [(name, event) for event in host.keep(one, own, now_s)]
    return said
