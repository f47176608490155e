"""The application: which address gives what. Everything it shows comes from the archive, everything
that is new from the hub, and every request has passed the guard.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from host_decoder.errors import HostError
from host_decoder.receive.orders import ORDERS
from host_decoder.web.alarms import Alarms, ToldAlarms
from host_decoder.web.archive import Archive, Wish
from host_decoder.web.config import WebConfig
from host_decoder.web.door import MAX_LABEL_LETTERS, Door
from host_decoder.web.guard import COOKIE, Guard, RefusedError
from host_decoder.web.latents import Latents
from host_decoder.web.live import Hub, Onlooker
from host_decoder.web.table import NO_PARQUET, csv_pages, has_parquet, parquet_pages
from link.base import extras

STATIC = Path(__file__).parent / "static"
PAGES = ("/", "/nodes/{site}/{number}", "/images", "/link", "/map", "/jobs", "/alerts", "/desk")
"One page, which looks at its own address."
DAY_S = 86_400.0
MAX_LIMIT, MAX_KEYS = 500, 120
SCATTERED = 2000
"Images in a scatter, and those among which the nearest are looked for."
NEAREST = 12
BEAT_S = 15.0
BEAT = ": nothing new\n\n"
"How often, and how, a browser hears that nothing is new."
THREADS = 4
"For what reads the store; who asks beyond that waits."
TOKEN_S = 90 * DAY_S
MAX_MUTED_S = 30 * DAY_S
MAX_NUMBER = 2**31 - 1
"What the store counts nodes, decoders and jobs by."


Decide = Callable[[dict[str, Any]], Awaitable[None]]


class Site:
    """What the routes share."""

    def __init__(
        self,
        archive: Archive,
        hub: Hub,
        door: Door,
        latents: Latents,
        config: WebConfig,
        decide: Decide,
        alarms: Alarms | ToldAlarms | None = None,
    ) -> None:
        """`decide`: has the host write what a person decided; a HostError says why it could not.
        `alarms`: None, where they are told, if at all.
        """
        self.alarms = alarms or ToldAlarms()
        self.duties: dict[tuple[str, str], Mapping[str, Any]] = {}
        "What gateways have used of their airtime, by site and gateway."
        self.archive = archive
        self.hub = hub
        self.door = door
        self.latents = latents
        self.config = config
        self.decide = decide
        self.threads = anyio.CapacityLimiter(THREADS)

    def take(self, event: Mapping[str, Any]) -> bool:
        """Whether it is about gateways or alerts, which is shown to who asks."""
        if event["event"] == "duty":
            said = {name: event[name] for name in ("site", "gateway", "used_s", "limit_s")}
            self.duties[event["site"], event["gateway"]] = said
        elif event["event"] == "alarms" and isinstance(self.alarms, ToldAlarms):
            self.alarms.take(event)
        else:
            return False
        return True

    async def read(self, call: Callable[..., Any], *given: Any) -> Any:
        """In a thread: a slow disk keeps nobody else waiting."""
        return await anyio.to_thread.run_sync(call, *given, limiter=self.threads)


def make_app(site: Site, port: int | None = None, work: Any = None) -> Guard:
    """`work`: an asynchronous context that runs while the application does."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if work is None:
            yield
        else:
            async with work():
                yield

    async def refused(request: Request, error: Exception) -> Response:
        return PlainTextResponse(f"{error}\n", getattr(error, "status", 503))

    routes = _Routes(site)
    pages = [Route(path, _file("index.html")) for path in PAGES]
    app = Starlette(
        routes=[
            *pages,
            Route("/login", _file("login.html")),
            Route("/login", routes.sign_in, methods=["POST"]),
            Route("/logout", routes.sign_out, methods=["POST"]),
            Route("/healthz", routes.health),
            Route("/live", _Live(site.hub)),
            Mount("/static", StaticFiles(directory=STATIC)),
            Route("/api/1/about", routes.about),
            Route("/api/1/nodes", routes.nodes),
            Route("/api/1/nodes/{site}/{number}", routes.node),
            Route("/api/1/results", routes.results),
            Route("/api/1/images/{key}", routes.image),
            Route("/api/1/latents", routes.shown),
            Route("/api/1/scatter", routes.scatter),
            Route("/api/1/nearest/{key}", routes.nearest),
            Route("/api/1/link", routes.links),
            Route("/api/1/labels", routes.labels),
            Route("/api/1/labels", routes.label, methods=["POST"]),
            Route("/api/1/jobs", routes.jobs),
            Route("/api/1/jobs", routes.job, methods=["POST"]),
            Route("/api/1/alerts", routes.alerts),
            Route("/api/1/alerts", routes.mute, methods=["POST"]),
            Route("/api/1/orders", routes.order, methods=["POST"]),
            Route("/api/1/compare", routes.compare),
            Route("/api/1/audit", routes.audit),
            Route("/api/1/export.{kind}", routes.export),
        ],
        lifespan=lifespan,
        exception_handlers={HostError: refused, RefusedError: refused},
    )
    return Guard(app, site.config, site.door, port)


def _file(name: str) -> Callable[[Request], Any]:
    async def page(request: Request) -> Response:
        return FileResponse(STATIC / name, headers={"cache-control": "no-cache"})

    return page


def _json(content: Any, status: int = 200) -> JSONResponse:
    return JSONResponse(content, status, {"cache-control": "no-store"})


JOBS: Mapping[str, tuple[str, type]] = {
    "redecode": ("bundle", str),
    "as-told": ("bundle", str),
    "show": ("decoder", int),
    "cancel": ("job", int),
}
"What may be asked for, and of what."


class _Routes:
    """What each address answers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def about(self, request: Request) -> Response:
        """Who asks, and by which bundles images can be read."""
        person = request.scope["person"]
        bundles = {
            name: {
                "name": bundle.path.name,
                "classes": list(bundle.classes),
                "latents": bundle.n_latents,
            }
            for name, bundle in self._site.latents.bundles.items()
        }
        return _json(
            {
                "name": person.name,
                "role": person.role,
                "can_sign_out": bool(request.cookies.get(COOKIE)),
                "bundles": bundles,
                "version": extras.version(),
                "has_parquet": has_parquet(),
                "now_s": time.time(),
            }
        )

    async def nodes(self, request: Request) -> Response:
        nodes = await self._site.read(self._site.archive.nodes)
        return _json({"now_s": time.time(), "nodes": nodes})

    async def node(self, request: Request) -> Response:
        since_s = time.time() - min(_number(request.query_params, "days", 1.0), 400.0) * DAY_S
        site, number = request.path_params["site"], request.path_params["number"]
        found = None
        if number.isdecimal() and len(number) < 10:
            found = await self._site.read(self._site.archive.node, site, int(number), since_s)
        if found is None:
            raise RefusedError(404, f"nothing is known of node {number[:20]} of {site[:100]}")
        return _json({"now_s": time.time(), "since_s": since_s, **found})

    async def results(self, request: Request) -> Response:
        wish, asked = _wish(request.query_params), request.query_params
        limit = max(1, min(int(_number(asked, "limit", 60)), MAX_LIMIT))
        found = await self._site.read(
            self._site.archive.results, wish, asked.get("after", "")[:200], limit
        )
        return _json({"now_s": time.time(), "results": found, "is_all": len(found) < limit})

    async def image(self, request: Request) -> Response:
        key = request.path_params["key"]
        found = await self._site.read(self._site.archive.image, key)
        if found is None:
            raise RefusedError(404, "there is no such image; it may have been cleared away")
        return _json(found)

    async def shown(self, request: Request) -> Response:
        keys = [key for key in request.query_params.get("of", "").split(",") if key][:MAX_KEYS]
        return _json(await self._site.read(self._site.latents.shown, keys))

    async def scatter(self, request: Request) -> Response:
        wish = _wish(request.query_params)

        def find() -> dict[str, Any]:
            results = _many(self._site.archive, wish, SCATTERED)
            by_key = {result["key"]: result for result in results}
            found = self._site.latents.scatter(list(by_key))
            return found | {"results": [by_key[key] for key in found["keys"]]}

        return _json(await self._site.read(find))

    async def nearest(self, request: Request) -> Response:
        key = request.path_params["key"]

        def find() -> list[dict[str, Any]]:
            results = _many(self._site.archive, Wish(), SCATTERED)
            by_key = {result["key"]: result for result in results if result["key"] != key}
            near = self._site.latents.nearest(key, list(by_key), NEAREST)
            return [by_key[other] | {"distance": distance} for other, distance in near]

        return _json({"results": await self._site.read(find)})

    async def links(self, request: Request) -> Response:
        since_s = time.time() - min(_number(request.query_params, "days", 1.0), 400.0) * DAY_S
        found = await self._site.read(self._site.archive.links, since_s)
        gateways = [told for _, told in sorted(self._site.duties.items())]
        return _json({"now_s": time.time(), **found, "gateways": gateways})

    async def labels(self, request: Request) -> Response:
        return _json({"labels": await self._site.read(self._site.archive.hand_labels)})

    async def label(self, request: Request) -> Response:
        """{"key", "label"}: what a person says that an image shows."""
        asked = await _body(request)
        key, label = asked.get("key"), asked.get("label")
        if not isinstance(key, str) or not isinstance(label, str):
            raise RefusedError(400, 'say {"key": an image, "label": what it shows, or ""}')
        label = " ".join(label.split())
        if len(label) > MAX_LABEL_LETTERS or not label.isprintable():
            raise RefusedError(400, f"a label is at most {MAX_LABEL_LETTERS} letters, in one line")
        found = await self._site.read(self._site.archive.whereabouts, key)
        if found is None or await self._site.read(self._site.archive.image, key) is None:
            raise RefusedError(404, "there is no such image; it may have been cleared away")
        said = {"what": "label", "sender": found[0], "image": found[1], "label": label}
        await self._decide(request, said, f"label of {key}: {label or 'none'}")
        return _json({"key": key, "label": label})

    async def _decide(self, request: Request, said: dict[str, Any], note: str) -> None:
        """In the audit first: where that cannot be written, nothing is changed."""
        person, door = request.scope["person"], self._site.door
        await self._site.read(door.note, person, note)
        try:
            await self._site.decide(said)
        except HostError as error:
            await self._site.read(door.note, person, f"not done: {note} ({error})")
            raise

    async def alerts(self, request: Request) -> Response:
        now_s = time.time()
        found = await self._site.read(self._site.alarms.to_json, now_s)
        return _json({"now_s": now_s, **found})

    async def mute(self, request: Request) -> Response:
        """{"site", "node", "for_s"}: nothing begins of that node for so long; 0: it may again."""
        asked = await _body(request)
        site, node = asked.get("site"), asked.get("node")
        for_s: Any = asked.get("for_s")
        is_time = isinstance(for_s, int | float) and not isinstance(for_s, bool)
        if not (isinstance(site, str) and type(node) is int and is_time):
            raise RefusedError(400, 'say {"site": its site, "node": its number, "for_s": seconds}')
        if not 0 <= for_s <= MAX_MUTED_S:
            raise RefusedError(400, f"for_s is from 0 to {MAX_MUTED_S:.0f}, 30 days")
        archive = self._site.archive
        is_known = 0 <= node <= MAX_NUMBER and await self._site.read(archive.node, site, node, 0.0)
        if not is_known or not self._site.alarms.has(site):
            raise RefusedError(404, "no [[alert]] of this host is about that node")
        until_s = time.time() + for_s
        said = {"what": "mute", "site": site, "node": node, "until_s": until_s}
        how = f"muted for {for_s:.0f} s" if for_s else "no longer muted"
        await self._decide(request, said, f"node {node} of {site}: {how}")
        return _json({"until_s": until_s})

    async def order(self, request: Request) -> Response:
        """{"site", "node", "order"}: what its node is told when it listens next."""
        asked = await _body(request)
        site, node, word = asked.get("site"), asked.get("node"), asked.get("order")
        if not (isinstance(site, str) and type(node) is int and isinstance(word, str)):
            raise RefusedError(400, 'say {"site": its site, "node": its number, "order": what}')
        if word not in ORDERS:
            raise RefusedError(400, f"a node is asked one of {', '.join(ORDERS)}")
        archive = self._site.archive
        if not 0 <= node <= MAX_NUMBER or not await self._site.read(archive.node, site, node, 0.0):
            raise RefusedError(404, f"nothing is known of node {node} of {site[:100]}")
        said = {"what": "order", "site": site, "node": node, "word": word}
        await self._decide(request, said, f"node {node} of {site}: asked for {word}")
        return _json({"order": word})

    async def jobs(self, request: Request) -> Response:
        return _json(await self._site.read(self._site.archive.jobs))

    async def job(self, request: Request) -> Response:
        """{"what": "redecode" or "as-told", "bundle"}, {"show", "decoder"}, {"cancel", "job"}."""
        asked = await _body(request)
        what = asked.get("what")
        wanted = JOBS.get(what) if isinstance(what, str) else None
        if wanted is None or type(asked.get(wanted[0])) is not wanted[1]:
            raise RefusedError(400, f"say what: {', '.join(JOBS)}, and of which bundle or number")
        said = asked[wanted[0]]
        if isinstance(said, str) and said not in self._site.latents.bundles:
            raise RefusedError(404, "that bundle is not here")
        if isinstance(said, int) and not 0 < said <= MAX_NUMBER:
            raise RefusedError(404, f"there is no such {wanted[0]}")
        await self._decide(request, {"what": what, wanted[0]: said}, f"{what}: {wanted[0]} {said}")
        return _json({"what": what})

    async def compare(self, request: Request) -> Response:
        asked = request.query_params
        a, b = (int(min(_number(asked, name, 0), MAX_NUMBER)) or None for name in ("a", "b"))
        if b is None:
            raise RefusedError(400, "say b: a decoder's number; a may be another, or left out")
        return _json(await self._site.read(self._site.archive.comparison, a, b))

    async def audit(self, request: Request) -> Response:
        before = int(_number(request.query_params, "before", 0)) or None
        tokens = await self._site.read(self._site.door.tokens)
        return _json(
            {"entries": await self._site.read(self._site.door.audit, before), "tokens": tokens}
        )

    async def export(self, request: Request) -> Response:
        kind, wish = request.path_params["kind"], _wish(request.query_params)
        wish = replace(wish, until_s=wish.until_s or time.time())
        archive = self._site.archive
        headers = {
            "content-disposition": f'attachment; filename="latentlink-results.{kind}"',
            "cache-control": "no-store",
        }
        if kind == "csv":
            return StreamingResponse(
                self._pages(csv_pages(archive, wish)), headers=headers, media_type="text/csv"
            )
        if kind != "parquet":
            raise RefusedError(404, "there are export.csv and export.parquet")
        if not has_parquet():
            raise RefusedError(501, NO_PARQUET)
        return StreamingResponse(
            self._pages(parquet_pages(archive, wish)),
            headers=headers,
            media_type="application/vnd.apache.parquet",
        )

    async def _pages(self, pages: Iterator[Any]) -> AsyncIterator[Any]:
        while (page := await self._site.read(next, pages, None)) is not None:
            yield page

    async def sign_in(self, request: Request) -> Response:
        """A form's token becomes a cookie that no script reads and no other page sends."""
        form = parse_qs((await request.body()).decode("latin-1"))
        token = form.get("token", [""])[0].strip()
        person = await self._site.read(self._site.door.person, token) if token else None
        if person is None:
            return RedirectResponse("/login?no", 303)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            COOKIE,
            token,
            max_age=int(TOKEN_S),
            httponly=True,
            samesite="strict",
            secure=self._site.config.has_tls,
        )
        return answer

    async def sign_out(self, request: Request) -> Response:
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    async def health(self, request: Request) -> Response:
        return Response("ok\n", media_type="text/plain")


class _Live:
    """Everything that is new, until the browser goes or reads too slowly."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        asked = Request(scope)
        last_id = asked.headers.get("last-event-id") or asked.query_params.get("after", "")
        onlooker = self._hub.join(last_id[:64])
        if onlooker is None:
            raise RefusedError(503, "too many look on already; close some of them")
        headers = {
            b"content-type": b"text/event-stream",
            b"cache-control": b"no-store",
            b"x-accel-buffering": b"no",  # nginx would gather it
        }
        start = {"type": "http.response.start", "status": 200, "headers": [*headers.items()]}
        try:
            await send(start)
            await _until_gone(onlooker, receive, send)
        finally:
            self._hub.leave(onlooker)


async def _until_gone(onlooker: Onlooker, receive: Any, send: Any) -> None:
    """The guard ends it where it takes nothing for a while."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        onlooker.cut()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gone)
        while True:
            text: str | None = BEAT
            with anyio.move_on_after(BEAT_S):
                text = await onlooker.next()
            if text is None:
                break
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        tasks.cancel_scope.cancel()


def _many(archive: Archive, wish: Wish, n: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while len(found) < n:
        page = archive.results(wish, found[-1]["after"] if found else "", min(MAX_LIMIT, n))
        found += page
        if len(page) < MAX_LIMIT:
            break
    return found[:n]


async def _body(request: Request) -> dict[str, Any]:
    try:
        content = await request.json()
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise RefusedError(400, "the request is no JSON object")
    return content


def _wish(asked: Mapping[str, str]) -> Wish:
    number = _number(asked, "node", -1)
    return Wish(
        site=asked.get("site", "")[:100],
        node=None if number < 0 else int(min(number, MAX_NUMBER)),
        label=asked.get("label", "")[:100],
        since_s=_number(asked, "since", 0) or None,
        until_s=_number(asked, "until", 0) or None,
        at_least=_number(asked, "at_least", 0) or None,
        at_most=_number(asked, "at_most", 1) if "at_most" in asked else None,
    )


def _number(asked: Mapping[str, str], name: str, usual: float) -> float:
    """RefusedError with a sentence for what is no number."""
    text = asked.get(name, "")
    if not text:
        return usual
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value < 1e12:
        raise RefusedError(400, f"{name} is {text[:40]!r}; it must be a number from 0 on")
    return value
