"""The guard: only by its own names, only with a role that fits, writes only from the page itself,
and everything bounded; each answer bears what keeps other pages away from it.
"""

import asyncio
from typing import Any

import pytest

from host_decoder.web import guard
from host_decoder.web.config import WebConfig
from host_decoder.web.door import Door
from host_decoder.web.guard import HEADERS, MAX_BODY_BYTES, Guard, needed
from tests.worlds.browser_request import HOST, Reply, ask

ORIGIN = f"http://{HOST}"


async def inside(scope: Any, receive: Any, send: Any) -> None:
    """What the guard guards: it reads the whole body and says who asks."""
    n_bytes, more = 0, True
    while more:
        message = await receive()
        n_bytes += len(message["body"])
        more = message.get("more_body", False)
    person = scope["person"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    said = f"{person.name if person else 'nobody'} {n_bytes}"
    await send({"type": "http.response.body", "body": said.encode()})


@pytest.fixture
def door(tmp_path):
    return Door(tmp_path / "page.sqlite")


@pytest.fixture
def local(door):
    return Guard(inside, WebConfig(), door)


@pytest.fixture
def tokens(door):
    return {role: door.add_token(role, role) for role in ("viewer", "operator", "admin")}


def with_token(app: Guard, path: str, token: str, method: str = "GET") -> Reply:
    return ask(app, path, method, {"cookie": f"latentlink={token}", "origin": ORIGIN})


def test_at_this_machine_whoever_is_there_sees_everything(local):
    assert ask(local, "/api/1/audit").text == "this machine 0"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:80", "", "localhost"])
def test_by_a_name_that_is_not_its_own_nothing_is_answered(local, host):
    reply = ask(local, "/", headers={"host": host})
    assert reply.status == 421
    assert "not called that" in reply.text


@pytest.mark.parametrize("host", ["LOCALHOST:8480", "[::1]:8480"])
def test_it_is_called_what_this_machine_is_called(local, host):
    assert ask(local, "/", headers={"host": host}).status == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "http://evil.example"}, {"origin": "null"}, {"origin": f"https://{HOST}"}],
)
def test_what_changes_something_must_come_from_the_page_itself(local, headers):
    assert ask(local, "/api/1/labels", "POST", headers).status == 403
    assert ask(local, "/api/1/labels", "POST", {"origin": ORIGIN}).status == 200


def test_a_program_with_a_token_needs_no_origin_and_a_cookie_does(local, tokens):
    bearer = {"authorization": f"Bearer {tokens['operator']}"}
    assert ask(local, "/api/1/labels", "POST", bearer).text == "operator 0"
    cookie = {"cookie": f"latentlink={tokens['operator']}"}
    assert ask(local, "/api/1/labels", "POST", cookie).status == 403
    assert ask(local, "/api/1/labels", "POST", bearer | {"origin": "http://evil"}).status == 403


MATRIX = {
    ("GET", "/"): (200, 200, 200),
    ("GET", "/api/1/nodes"): (200, 200, 200),
    ("GET", "/api/1/export.csv"): (200, 200, 200),
    ("GET", "/live"): (200, 200, 200),
    ("POST", "/api/1/labels"): (403, 200, 200),
    ("POST", "/api/1/jobs"): (403, 403, 200),
    ("GET", "/api/1/jobs"): (200, 200, 200),
    ("GET", "/api/1/audit"): (403, 403, 200),
    ("POST", "/logout"): (200, 200, 200),
}


@pytest.mark.parametrize(("method", "path"), MATRIX)
def test_each_role_may_what_it_may_and_nobody_without_a_token_may_anything(
    local, tokens, method, path
):
    found = tuple(
        with_token(local, path, tokens[role], method).status
        for role in ("viewer", "operator", "admin")
    )
    assert found == MATRIX[method, path]
    for token in ("", "wrong"):
        assert with_token(local, path, token, method).status == 401


def test_a_browser_without_a_token_is_led_to_the_door(local, tokens):
    reply = ask(local, "/link", headers={"accept": "text/html,*/*"})
    assert (reply.status, reply.headers["location"]) == (303, "/login")
    for path in ("/login", "/static/page.css", "/healthz"):
        assert ask(local, path).status == 200


def test_where_others_reach_it_nothing_is_shown_before_there_is_a_token(door):
    app = Guard(inside, WebConfig(address="0.0.0.0", behind_proxy=True), door)
    assert ask(app, "/api/1/nodes").status == 401
    token = {"authorization": f"Bearer {door.add_token('ann', 'viewer')}"}
    assert ask(app, "/api/1/nodes", headers=token).status == 200


def test_behind_tls_a_write_must_come_from_https(door):
    config = WebConfig(behind_proxy=True, names=("farm.example",))
    app = Guard(inside, config, door)
    cookie = {"host": "farm.example", "cookie": f"latentlink={door.add_token('ann', 'admin')}"}
    for scheme, status in (("https", 200), ("http", 403)):
        origin = {"origin": f"{scheme}://farm.example"}
        assert ask(app, "/api/1/labels", "POST", cookie | origin).status == status


def test_each_answer_bears_what_keeps_other_pages_away(local):
    for reply in (ask(local, "/"), ask(local, "/", headers={"host": "evil"})):
        assert {name: reply.headers[name] for name in HEADERS} == HEADERS
        assert not any(name.startswith("access-control") for name in reply.headers)
    policy = HEADERS["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_only_get_and_post_mean_something(local):
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT"):
        assert ask(local, "/", method, {"origin": ORIGIN}).status == 405


def test_a_body_is_bounded_whatever_is_said_of_its_length(local):
    body = b"x" * (MAX_BODY_BYTES + 1)
    for headers in ({"content-length": str(len(body))}, {"content-length": "-1"}, {}):
        reply = ask(local, "/api/1/labels", "POST", {"origin": ORIGIN, **headers}, body)
        assert reply.status == 413
    reply = ask(local, "/api/1/labels", "POST", {"origin": ORIGIN}, body[1:])
    assert reply.text == f"this machine {MAX_BODY_BYTES}"


def test_an_answer_that_takes_too_long_is_given_up(door, monkeypatch):
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(guard, "ANSWER_S", 0.01)
    reply = ask(Guard(slow, WebConfig(), door), "/api/1/results")
    assert (reply.status, "too long" in reply.text) == (503, True)


def test_who_takes_no_piece_of_an_answer_is_cut_off(door, monkeypatch):
    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"x", "more_body": True})

    async def stuck(message: Any = None) -> Any:
        if message is None or message["type"] == "http.response.body":
            await asyncio.sleep(60)

    monkeypatch.setattr(guard, "SEND_S", 0.01)
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/live",
        "headers": [(b"host", HOST.encode())],
    }
    app = Guard(endless, WebConfig(), door)
    asyncio.run(asyncio.wait_for(app(scope, stuck, stuck), 5))


def test_what_is_written_wants_an_operator_unless_it_wants_more():
    assert needed("GET", "/api/1/labels") == "viewer"
    assert needed("POST", "/api/1/labels") == "operator"
    assert needed("POST", "/api/1/jobs/3/show") == "admin"


def test_cookies_of_other_programs_at_this_machine_do_not_hide_its_own(local, tokens):
    cookie = f'other={{"a": 1}}; b="x; c=[1,2]; latentlink={tokens["viewer"]}'
    assert ask(local, "/", headers={"cookie": cookie}).text == "viewer 0"


def test_where_it_cannot_be_read_who_may_come_in_nobody_does(local, door):
    door.path.write_bytes(b"no database" * 100)
    reply = ask(local, "/api/1/nodes")
    assert reply.status == 503
    assert "page.sqlite cannot be used" in reply.text
    assert reply.headers["connection"] == "close"
