"""Guard: what every request passes before anything looks at it, and what every answer bears.

The Host header must be one of the page's own names, or any page in the person's browser could reach
this one by a name of its own that leads here (DNS rebinding). What changes something must come from
the page itself (Origin), or from a program with a token. A role is asked for by path; sizes and
times are bounded, and whoever reads too slowly is cut off.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.requests import cookie_parser

from host_decoder.errors import HostError
from host_decoder.web.config import WebConfig
from host_decoder.web.door import Door, Person

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

COOKIE = "latentlink"
MAX_BODY_BYTES = 64 << 10
ANSWER_S = 20.0
"For a whole answer, but of what streams."
SEND_S = 15.0
"For one piece of an answer: who reads slower is cut off."
STREAMS = ("/live", "/api/1/export")
READS, WRITES = ("GET", "HEAD"), ("POST",)
ROLES = ("viewer", "operator", "admin")
"Each may what those before it may."
OPEN_PATHS = ("/healthz", "/login", "/static/")
"Without a token: what says nothing of nodes."
USUALLY = ("viewer", "operator")
"What reading wants, and what writing wants."
NEEDS = {
    "/api/1/audit": ("admin", "admin"),
    "/api/1/jobs": ("viewer", "admin"),
    "/logout": ("viewer", "viewer"),
}
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class RefusedError(Exception):
    """A request that goes no further; the sentence is for who sent it."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Guard:
    """An ASGI application around another."""

    def __init__(self, app: App, config: WebConfig, door: Door, port: int | None = None) -> None:
        self._app = app
        self._config = config
        self._door = door
        self._hosts = config.hosts(port)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        answer = _Answer(send, scope)
        try:
            scope["person"] = self._admitted(scope)
            is_stream = scope["path"].startswith(STREAMS)
            async with asyncio.timeout(None if is_stream else ANSWER_S):
                await self._app(scope, _bounded(receive), answer.send)
        except RefusedError as refused:
            await answer.refuse(refused.status, str(refused))
        except TimeoutError:
            await answer.refuse(503, "this took too long; ask for less")
        except HostError as error:  # who may come in cannot be read
            await answer.refuse(503, str(error))

    def _admitted(self, scope: Message) -> Person | None:
        """Who asks, where that matters; RefusedError otherwise."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get(b"host", "").lower()
        if host not in self._hosts:
            raise RefusedError(
                421, "this page is not called that; add the name to `names` of [web] in host.toml"
            )
        if scope["method"] not in READS + WRITES:
            raise RefusedError(405, "only GET and POST mean something here")
        token, is_program = _token(headers)
        person = self._person(token)
        if scope["method"] in WRITES:
            self._check_origin(headers, host, is_program)
            _check_length(headers)
        if scope["path"].startswith(OPEN_PATHS):
            return person
        if person is None:
            raise RefusedError(401, "a token is wanted here: `latentlink host token` makes one")
        wanted = needed(scope["method"], scope["path"])
        if ROLES.index(person.role) < ROLES.index(wanted):
            raise RefusedError(
                403, f"this wants the role {wanted}, and {person.name} is {person.role}"
            )
        return person

    def _person(self, token: str) -> Person | None:
        if token and (person := self._door.person(token)):
            return person
        if self._config.wants_tokens or self._door.has_tokens():
            return None
        return Person("this machine", "admin")

    def _check_origin(self, headers: dict[bytes, str], host: str, is_program: bool) -> None:
        origin = headers.get(b"origin")
        if origin is None and is_program:
            return
        schemes = ("https",) if self._config.has_tls else ("http",)
        if origin is None or origin.lower() not in {f"{scheme}://{host}" for scheme in schemes}:
            raise RefusedError(
                403, "only this page itself, or a program with a token, may change that"
            )


def needed(method: str, path: str) -> str:
    """The role that a request wants."""
    found = (roles for beginning, roles in NEEDS.items() if path.startswith(beginning))
    return next(found, USUALLY)[method in WRITES]


def _token(headers: dict[bytes, str]) -> tuple[str, bool]:
    """What was sent, and whether a program sent it, which no other page can make it do."""
    scheme, _, token = headers.get(b"authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip(), True
    # other programs at this machine set cookies of any shape, and browsers send them here too
    return cookie_parser(headers.get(b"cookie", "")).get(COOKIE, ""), False


def _check_length(headers: dict[bytes, str]) -> None:
    length = headers.get(b"content-length", "0")
    if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
        raise RefusedError(413, f"a request may have {MAX_BODY_BYTES} bytes")


def _bounded(receive: Receive) -> Receive:
    """A body that says nothing of its length is counted as it comes."""
    n_bytes = 0

    async def bounded() -> Message:
        nonlocal n_bytes
        message = await receive()
        n_bytes += len(message.get("body", b""))
        if n_bytes > MAX_BODY_BYTES:
            raise RefusedError(413, f"a request may have {MAX_BODY_BYTES} bytes")
        return message

    return bounded


class _Answer:
    """What goes back, with the headers that all bear."""

    def __init__(self, send: Send, scope: Message) -> None:
        self._send = send
        self._scope = scope
        self._has_begun = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._has_begun = True
            own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message["headers"] = [*message.get("headers", ()), *own]
        async with asyncio.timeout(SEND_S):
            await self._send(message)

    async def refuse(self, status: int, sentence: str) -> None:
        """Nothing where an answer has begun: the connection then ends."""
        if self._has_begun:
            return
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
        if status == 401 and _wants_page(self._scope):
            status, headers = 303, [(b"location", b"/login"), (b"cache-control", b"no-store")]
        headers.append((b"connection", b"close"))  # a body that nobody wants is not waited for
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": f"{sentence}\n".encode()})


def _wants_page(scope: Message) -> bool:
    """Whether a person looks on, who would rather sign in."""
    accept = dict(scope["headers"]).get(b"accept", b"")
    return scope["method"] == "GET" and b"text/html" in accept
