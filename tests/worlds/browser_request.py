"""A request to an ASGI application, as a server hands it over; and a real browser, where one is."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.programs import program

HOST = "127.0.0.1:8480"


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    app: Any,
    path: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> Reply:
    """One request and its whole answer. `Host` is the page's own unless it is said."""
    return asyncio.run(asked(app, path, method, headers, body))


async def asked(
    app: Any,
    path: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> Reply:
    path, _, query = path.partition("?")
    given = {"host": HOST, **(headers or {})}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8480),
    }
    ahead = [{"type": "http.request", "body": body}]
    sent: list[Any] = []

    async def receive() -> Any:
        if ahead:
            return ahead.pop()
        await asyncio.sleep(3600)

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    [start, *rest] = sent
    return Reply(
        start["status"],
        {name.decode(): value.decode() for name, value in start["headers"]},
        b"".join(message.get("body", b"") for message in rest),
    )


def wants_browser() -> str:
    """Where Chromium is; without it, or what drives it, the running test is skipped by name."""
    pytest.importorskip("playwright", reason="playwright not installed: pip install playwright")
    return program("chromium")


@contextmanager
def browser() -> Iterator[Any]:
    """A real one, without a window."""
    path = wants_browser()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield running
        finally:
            running.close()
