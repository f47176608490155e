"""What people decide at the page is done by the host: also a later decoder over all that came."""

import json
from typing import Any

import pytest

from host_decoder.errors import HostError
from host_decoder.events import Duty
from host_decoder.store.history.jobs import run_waiting
from host_decoder.web.deeds import Deeds
from host_decoder.web.feed import line_of
from tests.worlds.browser_request import HOST, ask
from tests.worlds.small_fleet import SITE

ORIGIN = {"origin": f"http://{HOST}"}


def posted(fleet, text: str) -> int:
    return ask(fleet.app, "/api/1/jobs", "POST", ORIGIN, text.encode()).status


def test_a_later_decoder_sees_all_that_came_is_compared_shown_and_taken_back(fleet, filled, bundle):
    assert posted(fleet, f'{{"what": "redecode", "bundle": "{bundle.id.hex()}"}}') == 200
    assert run_waiting(filled.database, lambda: False) == 1  # as the host's worker does
    found = ask(fleet.app, "/api/1/jobs").json()
    [job] = found["jobs"]
    assert (job["state"], job["n_done"], job["n_total"]) == ("done", 12, 12)
    number = found["decoders"][-1]["id"]
    compared = ask(fleet.app, f"/api/1/compare?b={number}").json()
    assert compared["n"] == 12
    assert all(a == b for a, b, _ in compared["confusion"])
    assert posted(fleet, f'{{"what": "show", "decoder": {number}}}') == 200
    assert ask(fleet.app, "/api/1/jobs").json()["decoders"][-1]["is_shown"]
    assert posted(fleet, f'{{"what": "as-told", "bundle": "{bundle.id.hex()}"}}') == 200
    assert not ask(fleet.app, "/api/1/jobs").json()["decoders"][-1]["is_shown"]
    said = [entry["what"] for entry in ask(fleet.app, "/api/1/audit").json()["entries"]]
    assert [one.partition(":")[0] for one in said] == ["as-told", "show", "redecode"]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ('{"what": "format"}', 400),
        ('{"what": ["show"]}', 400),
        ('{"what": "show", "decoder": "1"}', 400),
        ('{"what": "show", "decoder": -1}', 404),
        ('{"what": "redecode", "bundle": "elsewhere"}', 404),
    ],
)
def test_what_cannot_be_done_is_said_and_not_in_the_audit(fleet, text, status):
    assert posted(fleet, text) == status
    assert ask(fleet.app, "/api/1/audit").json()["entries"] == []
    assert ask(fleet.app, "/api/1/compare").status == 400


def test_a_bundle_that_the_host_has_not_is_named(fleet):
    with pytest.raises(HostError, match="none of this host's"):
        fleet.deeds.do({"what": "redecode", "bundle": "00"})


def ordered(fleet, content: dict[str, Any], token: str = "") -> int:
    headers = {"authorization": f"Bearer {token}"} if token else ORIGIN
    return ask(fleet.app, "/api/1/orders", "POST", headers, json.dumps(content).encode()).status


def test_a_node_is_asked_by_who_may_and_that_stands_in_the_audit(fleet):
    wanted: dict[str, Any] = {"site": SITE, "node": 7, "order": "status"}
    assert ordered(fleet, wanted) == 200
    assert fleet.ordered == [(SITE, 7, "status")]
    [entry] = ask(fleet.app, "/api/1/audit").json()["entries"]
    assert entry["what"] == f"node 7 of {SITE}: asked for status"
    assert ordered(fleet, wanted | {"order": "format"}) == 400
    assert ordered(fleet, wanted | {"node": "7"}) == 400
    assert ordered(fleet, wanted | {"node": 77}) == 404
    assert ordered(fleet, wanted, fleet.door.add_token("Ada", "viewer")) == 403
    assert ordered(fleet, wanted, fleet.door.add_token("Bob", "operator")) == 200
    assert len(fleet.ordered) == 2


def test_a_page_without_a_host_that_speaks_asks_nothing(filled, bundle):
    with pytest.raises(HostError, match="nobody here speaks with nodes"):
        Deeds(filled.database, []).do({"what": "order", "site": SITE, "node": 7, "word": "status"})


def test_what_gateways_have_used_of_their_airtime_is_shown_with_the_link(fleet):
    assert ask(fleet.app, "/api/1/link").json()["gateways"] == []
    line = line_of(Duty("roof", 9.0, 36.0), SITE)
    assert line is not None
    assert fleet.site.take(line)
    assert ask(fleet.app, "/api/1/link").json()["gateways"] == [
        {"site": SITE, "gateway": "roof", "used_s": 9.0, "limit_s": 36.0}
    ]
