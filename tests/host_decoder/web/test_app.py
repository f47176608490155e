"""What each address answers, asked of the whole application before a real store."""

import csv
import io
import json
import re
from urllib.parse import urlencode

import pytest

from host_decoder.web.app import STATIC
from host_decoder.web.door import DoorError
from tests.worlds.browser_request import HOST, ask
from tests.worlds.small_fleet import SmallFleet
from tests.worlds.small_host import CLASSES

ORIGIN = {"origin": f"http://{HOST}"}


def newest(fleet: SmallFleet) -> dict:
    return ask(fleet.app, "/api/1/results?limit=1").json()["results"][0]


def test_the_page_and_all_that_it_loads_is_here(fleet):
    page = ask(fleet.app, "/")
    assert page.headers["content-type"].startswith("text/html")
    for path in ("/images", "/link", "/map", "/desk", "/nodes/farm/7"):
        assert ask(fleet.app, path).body == page.body
    named = set(re.findall(r'"(/static/[^"]+)"', page.text))
    for script in STATIC.glob("*.js"):
        text = script.read_text()
        named |= {f"/static/{name}" for name in re.findall(r'"\./([a-z]+\.js)"', text)}
        named |= {f"/static/{script.name}", *re.findall(r'"(/static/[^"]+)"', text)}
    assert len(named) > 12
    for path in sorted(named):
        assert ask(fleet.app, path).status == 200, path


def test_nothing_is_loaded_from_elsewhere_and_nothing_stands_in_the_page_itself():
    for path in [*STATIC.glob("*.html"), *STATIC.glob("*.js"), *STATIC.glob("*.css")]:
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://", text), path
        assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(", text), path
    for path in STATIC.glob("*.html"):
        assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=", path.read_text())


def test_what_comes_from_others_has_its_licence_beside_it():
    assert "MIT" in (STATIC / "vendor/uPlot.LICENSE.txt").read_text()


def test_the_wall_has_every_node(fleet):
    found = ask(fleet.app, "/api/1/nodes").json()
    assert [node["number"] for node in found["nodes"]] == [7, 8, 9]
    assert found["now_s"] > 1e9


def test_a_person_is_told_who_they_are_and_what_there_is(fleet, bundle):
    found = ask(fleet.app, "/api/1/about").json()
    assert (found["name"], found["role"]) == ("this machine", "admin")
    assert found["bundles"][bundle.id.hex()]["classes"] == list(CLASSES)


def test_pages_of_results_follow_each_other(fleet):
    first = ask(fleet.app, "/api/1/results?limit=7").json()
    assert (len(first["results"]), first["is_all"]) == (7, False)
    after = urlencode({"after": first["results"][-1]["after"]})
    rest = ask(fleet.app, f"/api/1/results?limit=7&{after}").json()
    assert (len(rest["results"]), rest["is_all"]) == (5, True)
    keys = [one["key"] for one in first["results"] + rest["results"]]
    assert len(set(keys)) == 12


@pytest.mark.parametrize("asked", ["limit=x", "since=-1", "node=1e99", "at_least=nan", "days=inf"])
def test_what_is_no_number_is_said_in_a_sentence(fleet, asked):
    path = "/api/1/link" if "days" in asked else "/api/1/results"
    reply = ask(fleet.app, f"{path}?{asked}")
    assert (reply.status, "must be a number" in reply.text) == (400, True)


def test_a_node_and_an_image_have_their_pages_and_what_is_not_there_is_said(fleet):
    assert ask(fleet.app, "/api/1/nodes/farm/7").json()["node"]["name"] == "Gate"
    assert ask(fleet.app, f"/api/1/images/{newest(fleet)['key']}").json()["revisions"]
    for path in ("/api/1/nodes/farm/99", "/api/1/images/farm:7:999999", "/api/1/nothing"):
        assert ask(fleet.app, path).status == 404


def test_the_explorer_has_symbols_a_scatter_and_the_nearest(fleet):
    key = newest(fleet)["key"]
    assert len(ask(fleet.app, f"/api/1/latents?of={key}").json()[key]["symbols"]) == 12
    scatter = ask(fleet.app, "/api/1/scatter?site=farm&node=7").json()
    assert len(scatter["xy"]) == len(scatter["results"]) == 6
    near = ask(fleet.app, f"/api/1/nearest/{key}").json()["results"]
    distances = [one["distance"] for one in near]
    assert distances == sorted(distances)
    assert key not in {one["key"] for one in near}


def test_a_label_by_hand_is_the_hosts_to_write_and_stands_in_the_audit(fleet):
    key = newest(fleet)["key"]
    body = f'{{"key": "{key}", "label": "  barn   owl "}}'.encode()
    reply = ask(fleet.app, "/api/1/labels", "POST", ORIGIN, body)
    assert (reply.status, reply.json()["label"]) == (200, "barn owl")
    assert [one["label"] for one in fleet.decided] == ["barn owl"]
    assert newest(fleet)["hand_label"] == "barn owl"
    [entry] = ask(fleet.app, "/api/1/audit").json()["entries"]
    assert (entry["who"], entry["what"]) == ("this machine", f"label of {key}: barn owl")
    back = ask(fleet.app, "/api/1/labels", "POST", ORIGIN, f'{{"key":"{key}","label":""}}'.encode())
    assert back.status == 200
    assert newest(fleet)["hand_label"] is None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b'{"key": 1, "label": "x"}', 400),
        (b'{"key": "farm:7:1", "label": "%s"}' % (b"x" * 65), 400),
        (b'{"key": "nothing", "label": "x"}', 404),
        (b"[" * 40_000, 400),
    ],
)
def test_a_label_that_cannot_be_is_refused_and_nothing_is_written(fleet, body, status):
    assert ask(fleet.app, "/api/1/labels", "POST", ORIGIN, body).status == status
    assert fleet.decided == []
    assert ask(fleet.app, "/api/1/audit").json()["entries"] == []


def test_results_are_taken_away_as_csv_and_parquet_says_what_it_needs(fleet):
    reply = ask(fleet.app, "/api/1/export.csv?node=7&site=farm")
    assert "attachment" in reply.headers["content-disposition"]
    assert len(list(csv.reader(io.StringIO(reply.text)))) == 7
    parquet = ask(fleet.app, "/api/1/export.parquet")
    assert parquet.status == 200 or "pyarrow" in parquet.text
    assert ask(fleet.app, "/api/1/export.xlsx").status == 404


def test_a_token_becomes_a_cookie_that_no_script_reads_and_no_other_page_sends(fleet):
    token = fleet.door.add_token("ann", "operator")
    body = urlencode({"token": token}).encode()
    reply = ask(fleet.app, "/login", "POST", ORIGIN, body)
    cookie = reply.headers["set-cookie"]
    assert (reply.status, reply.headers["location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    with_it = {"cookie": cookie.partition(";")[0]}
    assert ask(fleet.app, "/api/1/about", headers=with_it).json()["name"] == "ann"
    wrong = ask(fleet.app, "/login", "POST", ORIGIN, b"token=wrong")
    assert (wrong.headers["location"], "set-cookie" in wrong.headers) == ("/login?no", False)
    out = ask(fleet.app, "/logout", "POST", ORIGIN | with_it)
    assert "Max-Age=0" in out.headers["set-cookie"]


def test_no_answer_has_a_key_or_a_token_in_it(fleet, tmp_path):
    from tests.worlds.small_host import KEY

    token = fleet.door.add_token("ann", "admin")
    head = {"authorization": f"Bearer {token}"}
    paths = ("about", "nodes", "nodes/farm/7", "results", "link", "audit", "export.csv", "labels")
    for path in paths:
        text = ask(fleet.app, f"/api/1/{path}", headers=head).text
        assert KEY[:8].hex() not in text
        assert token not in text


@pytest.mark.parametrize(
    ("status", "path"),
    [
        (404, f"/api/1/nodes/farm/{'9' * 20}"),
        (404, f"/api/1/nodes/farm/{'9' * 5000}"),
        (404, "/api/1/nodes/farm/-1"),
        (200, f"/api/1/results?after=1_{'9' * 30}_1"),
        (200, "/api/1/results?after=nan_1_1"),
        (200, "/api/1/results?node=99999999999"),
        (200, "/api/1/compare?b=99999999999"),
    ],
)
def test_numbers_beyond_what_the_store_holds_name_nothing(fleet, status, path):
    assert ask(fleet.app, path).status == status


def test_a_form_with_more_than_it_wants_signs_nobody_in(fleet):
    form = b"&".join(b"%d=1" % n for n in range(50))
    reply = ask(fleet.app, "/login", "POST", ORIGIN, form)
    assert (reply.status, reply.headers["location"]) == (303, "/login?no")


def test_what_cannot_be_written_into_the_audit_is_not_done(fleet, monkeypatch):
    def full(*_):
        raise DoorError("the disk is full")

    monkeypatch.setattr(fleet.door, "note", full)
    said = json.dumps({"key": newest(fleet)["key"], "label": "dog"}).encode()
    reply = ask(fleet.app, "/api/1/labels", "POST", ORIGIN, said)
    assert (reply.status, reply.text) == (503, "the disk is full\n")
    assert fleet.decided == []


def test_what_the_host_does_not_do_stands_in_the_audit_as_not_done(fleet):
    reply = ask(fleet.app, "/api/1/jobs", "POST", ORIGIN, b'{"what": "show", "decoder": 99}')
    assert reply.status == 503
    notes = [entry["what"] for entry in ask(fleet.app, "/api/1/audit").json()["entries"]]
    assert notes[0].startswith("not done: show: decoder 99 (decoder 99 has not seen all")
    assert notes[1] == "show: decoder 99"


def test_an_image_that_never_came_gets_no_label(fleet):
    said = json.dumps({"key": f"farm:7:{10**17}", "label": "dog"}).encode()
    assert ask(fleet.app, "/api/1/labels", "POST", ORIGIN, said).status == 404
