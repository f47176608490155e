"""The page's own process, with real sockets: it serves, says what is new, cuts off who dawdles, and
ends when its host does.
"""

import asyncio
import http.client
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvicorn

from host_decoder.web import server
from host_decoder.web.server import ImpatientProtocol
from tests.worlds.page_process import PATIENCE_S, PageProcess


@pytest.fixture
def page(filled, bundle, tmp_path):
    with PageProcess(filled.place, [bundle.path], tmp_path) as process:
        yield process


def test_it_serves_says_what_is_new_and_ends_with_its_host(page):
    assert page.get("/healthz").read() == b"ok\n"
    assert len(json.loads(page.get("/api/1/nodes").read())["nodes"]) == 2
    live = page.get("/live")
    assert live.headers["content-type"] == "text/event-stream"
    while b"here" not in live.readline():
        pass
    page.tell({"event": "result", "site": "farm", "node": 7, "image": 1, "label": "owl"})
    while b"owl" not in (line := live.readline()):
        assert line
    page.process.stdin.close()
    assert page.process.wait(PATIENCE_S) == 0


def test_what_a_person_decides_is_the_hosts_to_write(page):
    key = json.loads(page.get("/api/1/results?limit=1").read())["results"][0]["key"]
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=PATIENCE_S)
    head = {"origin": f"http://127.0.0.1:{page.port}"}
    connection.request("POST", "/api/1/labels", json.dumps({"key": key, "label": "owl"}), head)
    asked = json.loads(page.process.stdout.readline())
    assert (asked["what"], asked["label"]) == ("label", "owl")
    page.tell({"event": "decided", "number": asked["number"], "error": "the disk is full"})
    reply = connection.getresponse()
    assert (reply.status, reply.read()) == (503, b"the disk is full\n")


async def inside(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


def served(talk: Callable[[int], Coroutine[Any, Any, Any]]) -> Any:
    """What somebody finds at a port where the page's protocol is spoken."""

    async def run() -> Any:
        config = uvicorn.Config(inside, log_config=None)
        config.load()
        state = uvicorn.server.ServerState()
        listening = await asyncio.get_running_loop().create_server(
            lambda: ImpatientProtocol(config=config, server_state=state, app_state={}),
            "127.0.0.1",
            0,
        )
        async with listening:
            return await asyncio.wait_for(talk(listening.sockets[0].getsockname()[1]), PATIENCE_S)

    return asyncio.run(run())


REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHo"])
def test_a_head_that_does_not_come_to_its_end_is_cut_off(monkeypatch, begun):
    async def talk(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begun)
        return await reader.read()

    monkeypatch.setattr(server, "HEAD_S", 0.05)
    assert served(talk) == b""


async def first(reader: asyncio.StreamReader) -> bytes:
    """What is said; nothing where the connection is cut."""
    try:
        return await reader.read(12)
    except ConnectionError:
        return b""


def test_no_address_takes_the_places_of_all_others(monkeypatch):
    async def talk(port: int) -> list[bytes]:
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        for _, writer in opened:
            writer.write(REQUEST)
        said = [await first(reader) for reader, _ in opened]
        for _, writer in opened:
            writer.close()
        await asyncio.sleep(0.05)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        return [*said, await first(reader)]

    monkeypatch.setattr(ImpatientProtocol, "most_from_one", 3)
    assert [bool(one) for one in served(talk)] == [True] * 6  # of this machine
    monkeypatch.setattr(server, "is_loopback", lambda address: False)
    assert [bool(one) for one in served(talk)] == [True, True, True, False, False, True]


def test_who_asks_in_time_may_ask_again(monkeypatch):
    async def talk(port: int) -> list[bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        said = []
        for _ in range(3):
            writer.write(REQUEST)
            said.append(await reader.readuntil(b"\r\n\r\n"))
            await asyncio.sleep(0.1)
        writer.close()
        return said

    monkeypatch.setattr(server, "HEAD_S", 0.05)
    assert all(b"204" in one for one in served(talk))
