"""From the host's loop to the page: at once, whatever the page does; and a whole host with its page
over UDP.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing

import pytest

from host_decoder.config import read_config
from host_decoder.events import Answer, Notice
from host_decoder.store.history.reading import Reading
from host_decoder.web import feed
from host_decoder.web.config import WebConfig
from host_decoder.web.feed import MAX_WAITING, Page, PageError, line_of, of_config
from tests.test_boundaries import ROOT
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import KEY, NODE, SmallNode, answer

PATIENCE_S = 30.0


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with closing(socket.socket(socket.AF_INET, kind)) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def said():
    return []


@pytest.fixture
def page(filled, bundle, tmp_path, said):
    web = WebConfig(port=free_port())
    page = Page(
        web, str(filled.place), [], [bundle.path], tmp_path / "p.sqlite", "farm", said.append
    )
    return page


def port_of(page: Page) -> int:
    return int(page.url.rpartition(":")[2])


def got(port: int, path: str, headers=None, method: str = "GET", body=None):
    """Its answer, as soon as there is a page."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
            connection.request(method, path, body, headers or {})
            return json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException):
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.05)


def test_an_answer_is_told_and_a_trouble_and_nothing_else():
    line, trouble = (
        line_of(event, "farm") for event in (answer(5), Notice("the port is gone", is_problem=True))
    )
    assert line is not None
    assert trouble is not None
    assert (line["event"], line["key"], line["label"]) == ("result", f"farm:{NODE}:5", "bee")
    assert json.dumps(line)
    assert (trouble["event"], trouble["sentence"]) == ("problem", "the port is gone")
    assert line_of(Notice("the port is open"), "farm") is None


def test_telling_never_waits_and_what_does_not_fit_is_one_gap(page):
    event = answer(5)
    begun_s = time.monotonic()
    for _ in range(MAX_WAITING + 10):  # nobody reads: it is not running
        page.tell(event)
    assert time.monotonic() - begun_s < 5
    assert len(page._waiting) == 10
    assert page._waiting[0] == {"event": "gap"}


def test_a_page_that_hangs_keeps_nobody_waiting_and_is_ended_with_the_host(page, filled):
    with page.running(filled.database):
        got(port_of(page), "/api/1/about")
        process = page._process
        os.kill(process.pid, signal.SIGSTOP)
        event: Answer = answer(5)
        begun_s = time.monotonic()
        for _ in range(2000):  # more than a pipe holds
            page.tell(event)
        assert time.monotonic() - begun_s < 5
    assert process.poll() is not None


def test_a_page_that_died_is_started_again_and_it_is_said_once(page, filled, said, monkeypatch):
    monkeypatch.setattr(feed, "PAUSE_S", 0.01)
    with page.running(filled.database):
        got(port_of(page), "/api/1/about")
        page._process.kill()
        page._process.wait()
        page.tell(answer(5))
        assert got(port_of(page), "/api/1/about")["name"] == "this machine"
        assert said == ["the page ended with code -9; it is started again"]


def test_a_port_that_is_taken_is_said_at_once(filled, tmp_path, said):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        web = WebConfig(port=taken.getsockname()[1])
        with pytest.raises(PageError, match="name another port"):
            Page(web, str(filled.place), [], [], tmp_path / "p.sqlite", "farm", said.append)


def test_without_its_libraries_it_is_said_what_to_install(filled, tmp_path, said, monkeypatch):
    monkeypatch.setattr(feed, "NEEDED", ("starlette", "no_such_library"))
    with pytest.raises(
        PageError, match=r"the page needs no_such_library: pip install '.*\[fleet\]'"
    ):
        Page(WebConfig(), str(filled.place), [], [], tmp_path / "p.sqlite", "farm", said.append)


@pytest.fixture
def host_toml(tmp_path, bundle):
    (tmp_path / "node.key").write_text(KEY.hex())
    path = tmp_path / "host.toml"
    port = free_port(socket.SOCK_DGRAM)
    path.write_text(
        f'[link]\nport = "127.0.0.1:{port}"\nprofile = "udp"\n[web]\nport = {free_port()}\n'
        f'[[node]]\nnode = {NODE}\nkey = "node.key"\nbundle = "{bundle.path}"\nname = "Gate"\n'
        "latitude = 52.1\nlongitude = 11.6\nperiod_s = 600\n"
    )
    return path, port


def test_what_the_page_is_told_has_no_key_in_it(host_toml, tmp_path):
    config = read_config(host_toml[0])
    assert config.web is not None
    page = of_config(config.web, config, tmp_path, print)
    told = json.dumps(page._told)
    page._close_socket()
    assert "Gate" in told
    assert KEY.hex() not in told
    assert "node.key" not in told


def test_a_whole_host_shows_what_its_node_saw_and_writes_what_a_person_says(host_toml, bundle):
    path, udp = host_toml
    config = read_config(path)
    assert config.web is not None
    page = config.web.port
    host = subprocess.Popen(
        [sys.executable, "-m", "host_decoder", "listen", str(path)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        [node] = got(page, "/api/1/nodes")["nodes"]
        assert (node["name"], node["latitude"], node["heard_s"]) == ("Gate", 52.1, None)
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as radio:
            for packet in SmallNode(bundle).packets(random_symbols(bundle.tables, 3)):
                radio.sendto(packet, ("127.0.0.1", udp))
        assert host.stdout is not None
        said = json.loads(host.stdout.readline())
        [node] = got(page, "/api/1/nodes")["nodes"]
        assert node["label"] == said["label"]
        head = {"origin": f"http://127.0.0.1:{page}"}
        body = json.dumps({"key": node["key"], "label": "owl"})
        assert got(page, "/api/1/labels", head, "POST", body)["label"] == "owl"
        with Reading(config.store) as reading:
            assert list(reading.hand_labels().values()) == ["owl"]
    finally:
        host.terminate()
        _, errors = host.communicate(timeout=PATIENCE_S)
    assert host.returncode == 0
    assert f"the page is at http://127.0.0.1:{page}" in errors
    assert KEY.hex() not in errors
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", page))
