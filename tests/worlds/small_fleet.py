"""A small fleet: nodes of one site whose images went through a real host into a real store, and the
page's application before it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from host_decoder.config import KnownNode
from host_decoder.receive.ends import GatewayEntry
from host_decoder.receive.host import Host
from host_decoder.store.history.desk import Desk
from host_decoder.store.history.reading import Reading
from host_decoder.store.store import Store
from host_decoder.web.alarms import Alarms
from host_decoder.web.app import Site, make_app
from host_decoder.web.archive import Archive
from host_decoder.web.config import WebConfig
from host_decoder.web.deeds import Deeds
from host_decoder.web.door import Door
from host_decoder.web.guard import Guard
from host_decoder.web.latents import Latents
from host_decoder.web.live import Hub
from link.bundle.bundle import Bundle
from link.wire.control import Quality
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import KEY, SmallNode

SITE = "farm"
NODES = (7, 8)
N_IMAGES = 6
"By each node, in two chunks where they are long enough."
CHUNK_BYTES = 4


def fill(store: Store, bundle: Bundle, nodes: Sequence[int] = NODES, n: int = N_IMAGES) -> None:
    """Each node sends so many images, in turn; the roof hears all of them well."""
    known = [KnownNode(number, KEY[:-1] + bytes([number]), bundle) for number in nodes]
    host = Host(known, store, gateways=[GatewayEntry("roof")])
    senders = [SmallNode(bundle, one.key, one.number, chunk_bytes=CHUNK_BYTES) for one in known]
    for seed in range(n):
        for sender in senders:
            symbols = random_symbols(bundle.tables, seed + sender.number)
            for packet in sender.packets(symbols):
                host.receive(packet, 0.0, Quality(7.5, -80.0))
    host.close()


class SmallFleet:
    """The page of a store, without a server: `app` is asked directly."""

    def __init__(self, store: Store, bundle: Bundle, folder: Path, **web: Any) -> None:
        self.desk = Desk(store.database)
        self.muted: list[tuple[str, int, float]] = []
        self.ordered: list[tuple[str, int, str]] = []
        self.deeds = Deeds(
            store.database,
            [bundle.path],
            lambda *said: self.muted.append(said),
            lambda *said: self.ordered.append(said),
        )
        self.reading = Reading(store.place)
        named = {"site": SITE, "node": 7, "name": "Gate", "period_s": 60.0, "bundle": "00"}
        self.archive = Archive(self.reading, [named, {"site": SITE, "node": 9, "name": "New"}])
        self.hub = Hub("run")
        self.door = Door(folder / "page.sqlite")
        self.latents = Latents(self.archive, [bundle.path])
        self.decided: list[dict[str, Any]] = []
        config = WebConfig(**web)
        alarms = Alarms(folder, SITE, ["silent"])
        self.site = Site(
            self.archive, self.hub, self.door, self.latents, config, self._decide, alarms
        )
        self.app: Guard = make_app(self.site)

    async def _decide(self, what: dict[str, Any]) -> None:
        self.decided.append(what)
        self.deeds.do(what)
