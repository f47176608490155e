"""Server: the page's own process. It is told what it needs in a line on standard input, then what
is new, a line of JSON each; it has no key of any node, and ends when its input does.
"""

import asyncio
import json
import logging
import secrets
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from host_decoder.outputs.sections import is_loopback
from host_decoder.store.history.reading import Reading
from host_decoder.web.alarms import Alarms
from host_decoder.web.app import Site, make_app
from host_decoder.web.archive import Archive
from host_decoder.web.config import WebConfig
from host_decoder.web.door import Door
from host_decoder.web.feed import PageError
from host_decoder.web.latents import Latents
from host_decoder.web.live import PERIOD_S, Hub

MAX_LINE_BYTES = 4 << 20
HEAD_S = 10.0
"For the head of a request, from its first byte or the connection on."
KEEP_ALIVE_S = 20
MAX_CONNECTIONS, MAX_FROM_ONE = 1000, 100
"In all, and from one address."
DECIDED_S = 5.0
MAX_HEAD_BYTES = 32 << 10


class ImpatientProtocol(H11Protocol):
    """Closes a connection whose request does not come to the end of its head, and one of an
    address that has many already: no stranger takes the places of all others. This machine itself
    is no stranger.
    """

    _deadline: asyncio.TimerHandle | None = None
    _address = ""
    n_from: ClassVar[Counter[str]] = Counter()
    "Connections by address."
    most_from_one = MAX_FROM_ONE

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._address = (transport.get_extra_info("peername") or ("",))[0]
        self.n_from[self._address] += 1
        if self.n_from[self._address] > self.most_from_one and not is_loopback(self._address):
            transport.abort()
        else:
            self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop()
        elif self._deadline is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        self.n_from[self._address] -= 1
        if not self.n_from[self._address]:
            del self.n_from[self._address]
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(HEAD_S, self.transport.close)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class ProxiedProtocol(ImpatientProtocol):
    """All come from one address, the proxy's."""

    most_from_one = MAX_CONNECTIONS


def main() -> int:
    """Serves until standard input ends."""
    told = json.loads(sys.stdin.buffer.readline())
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    asyncio.run(serve(told, sys.stdin.buffer))
    return 0


async def serve(told: dict[str, Any], events: Any) -> None:
    """`told`: what host_decoder.web.feed says first."""
    config = WebConfig(
        **{
            **told["web"],
            "names": tuple(told["web"]["names"]),
            **{
                key: Path(told["web"][key]) if told["web"][key] else None
                for key in ("certificate", "certificate_key")
            },
        }
    )
    hub, upstream = Hub(secrets.token_hex(4)), Upstream(sys.stdout.buffer)
    archive = Archive(Reading(told["store"]), told["nodes"])
    latents = Latents(archive, [Path(path) for path in told["bundles"]])
    alarms = Alarms(**told["alerts"]) if told.get("alerts") else None
    site = Site(archive, hub, Door(Path(told["door"])), latents, config, upstream.decide, alarms)
    listening = socket.socket(fileno=told["socket"])

    @asynccontextmanager
    async def work() -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(listen_to(events, hub, site, upstream, server)),
            asyncio.create_task(tell(hub)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task

    app = make_app(site, listening.getsockname()[1], work)
    server = uvicorn.Server(
        uvicorn.Config(
            app,  # type: ignore[arg-type]
            http=ProxiedProtocol if config.behind_proxy else ImpatientProtocol,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            ssl_certfile=config.certificate,
            ssl_keyfile=config.certificate_key,
        )
    )
    await server.serve([listening])


async def listen_to(
    events: Any, hub: Hub, site: Site, upstream: "Upstream", server: uvicorn.Server
) -> None:
    """Events of the host, one a line; the end of them is the end of the page."""
    reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), events
    )
    while line := await reader.readline():
        event = json.loads(line)
        if event["event"] == "decided":
            upstream.decided(event)
        elif not site.take(event):
            hub.publish(event)
    server.should_exit = True


class Upstream:
    """What people decide, which the host alone writes: a line to it, and its answer awaited."""

    def __init__(self, lines: Any) -> None:
        self._lines = lines
        self._n = 0
        self._asked: dict[int, asyncio.Future[str | None]] = {}

    async def decide(self, what: dict[str, Any]) -> None:
        """PageError with the host's sentence where it could not."""
        self._n += 1
        number, future = self._n, asyncio.get_running_loop().create_future()
        self._asked[number] = future
        try:
            self._lines.write(json.dumps({"number": number, **what}).encode() + b"\n")
            self._lines.flush()
            async with asyncio.timeout(DECIDED_S):
                error = await future
        except TimeoutError:
            error = "the host does not answer; look again whether it was done"
        finally:
            self._asked.pop(number, None)
        if error is not None:
            raise PageError(error)

    def decided(self, event: dict[str, Any]) -> None:
        future = self._asked.get(event["number"])
        if future is not None and not future.done():
            future.set_result(event["error"])


async def tell(hub: Hub) -> None:
    """What came, to everybody, ten times a second."""
    while True:
        await asyncio.sleep(PERIOD_S)
        hub.flush()
