"""What is new reaches everybody who looks on, once; who was away gets what it missed, and who is
too slow is cut off.
"""

import asyncio
import json
from typing import Any

from host_decoder.web import live
from host_decoder.web.live import KEPT_MESSAGES, MAX_BEHIND, Hub, Onlooker


def result(node: int, image: int = 1, site: str = "farm") -> dict[str, Any]:
    return {"event": "result", "site": site, "node": node, "image": image}


def heard(onlooker: Onlooker) -> list[tuple[str, str, Any]]:
    """(id, event, data) of all that waits."""

    async def take() -> list[str | None]:
        return [await onlooker.next() for _ in range(onlooker.n_waiting)]

    messages = "".join(text for text in asyncio.run(take()) if text).split("\n\n")
    found = []
    for message in filter(None, messages):
        fields = dict(line.split(": ", 1) for line in message.splitlines())
        found.append((fields.get("id", ""), fields["event"], json.loads(fields["data"])))
    return found


def joined(hub: Hub, last_id: str = "") -> Onlooker:
    onlooker = hub.join(last_id)
    assert onlooker is not None
    return onlooker


def test_of_a_tenth_of_a_second_each_node_is_told_once_with_its_newest():
    hub = Hub("run")
    onlooker = joined(hub)
    for image in range(3):
        hub.publish(result(7, image))
    hub.publish(result(8))
    hub.publish(result(7, site="mill"))
    hub.flush()
    hub.flush()
    [(_, first, _), (id, event, data)] = heard(onlooker)
    assert (first, id, event) == ("here", "run-1", "news")
    assert data["n"] == 5
    assert [(one["site"], one["node"], one["image"]) for one in data["results"]] == [
        ("farm", 7, 2), ("farm", 8, 1), ("mill", 7, 1),
    ]  # fmt: skip


def test_who_was_away_gets_what_it_missed_and_nothing_twice():
    hub = Hub("run")
    for image in range(5):
        hub.publish(result(7, image))
        hub.flush()
    missed = heard(joined(hub, "run-3"))
    assert [(id, data["results"][0]["image"]) for id, _, data in missed] == [
        ("run-4", 3), ("run-5", 4),
    ]  # fmt: skip
    assert [event for _, event, _ in heard(joined(hub, "run-5"))] == ["here"]


def test_who_was_away_for_too_long_or_comes_from_an_earlier_run_begins_anew():
    hub = Hub("run")
    for image in range(KEPT_MESSAGES + 5):
        hub.publish(result(7, image))
        hub.flush()
    newest = f"run-{KEPT_MESSAGES + 5}"
    for last_id in ("run-4", "other-2004", "run-99999", "run-x", "nonsense"):
        assert [(id, event) for id, event, _ in heard(joined(hub, last_id))] == [(newest, "resync")]
    assert len(heard(joined(hub, "run-5"))) == KEPT_MESSAGES


def test_who_reads_too_slowly_is_cut_off_and_costs_the_others_nothing():
    hub = Hub("run")
    slow, quick = joined(hub), joined(hub)
    for image in range(MAX_BEHIND + 1):
        hub.publish(result(7, image))
        hub.flush()
        assert len(heard(quick)) >= 1
    assert slow.is_cut
    assert asyncio.run(slow.next()) is None
    assert not quick.is_cut


def test_only_so_many_may_look_on(monkeypatch):
    monkeypatch.setattr(live, "MAX_ONLOOKERS", 2)
    hub = Hub("run")
    first = joined(hub)
    joined(hub)
    assert hub.join() is None
    hub.leave(first)
    assert hub.join() is not None


def test_a_gap_in_what_the_host_tells_makes_everybody_begin_anew():
    hub = Hub("run")
    onlooker = joined(hub)
    hub.publish({"event": "gap"})
    hub.publish(result(7))
    hub.flush()
    assert [event for _, event, _ in heard(onlooker)] == ["here", "resync", "news"]


def test_of_sentences_the_newest_ten_are_told():
    hub = Hub("run")
    onlooker = joined(hub)
    for n in range(30):
        hub.publish({"event": "problem", "sentence": str(n)})
    hub.flush()
    [_, (_, _, data)] = heard(onlooker)
    assert [one["sentence"] for one in data["said"]] == [str(n) for n in range(20, 30)]
