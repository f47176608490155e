"""Messages: what MQTT and webhooks say, as JSON. messages.schema.json describes each; keys are
added, and none changes its meaning.

Topics, below the word that all begin with (`latentlink`) and the schema's number:

    {site}/{node}/result          each answer, as it comes; never an old one
    {site}/{node}/state           what is known of the node; retained
    {site}/{node}/availability    online or offline; retained
    {site}/{node}/image           PNG, where that is wanted; retained
    {site}/{node}/alert           an alert that began or ended, when it does
    host/{client id}/status       online or offline, the latter by the broker too; retained
"""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from host_decoder.alerts.observed import Observed
from host_decoder.alerts.watch import Alert
from host_decoder.events import Answer, rounded
from link.picture import writer

SCHEMA = 1
SCHEMA_FILE = Path(__file__).with_name("messages.schema.json")
ONLINE, OFFLINE = b"online", b"offline"


def node_topic(word: str, site: str, node: int, what: str) -> str:
    return f"{word}/{SCHEMA}/{site}/{node}/{what}"


def host_topic(word: str, client_id: str) -> str:
    """Its status."""
    return f"{word}/{SCHEMA}/host/{client_id}/status"


def result(site: str, answer: Answer, observed: Observed) -> dict[str, Any]:
    """An answer; whoever keeps them counts one for each site, node, image, rev and decoder."""
    quality = observed.heard.quality if observed.heard else None
    return {
        "schema": SCHEMA,
        "site": site,
        "node": answer.node,
        "image": answer.image,
        "rev": answer.n_chunks,
        "captured_at": at(captured_s(answer)),
        "received_at": at(answer.received_s),
        "decoder": f"label@{(answer.decoder or answer.bundle)[:8]}",
        "label": answer.label,
        "confidence": rounded(answer.confidence),
        "top": [[label, rounded(share)] for label, share in answer.top()],
        "is_anomaly": answer.strangeness.is_anomaly if answer.strangeness else None,
        "final": answer.is_settled,
        "bytes": answer.bitstream_bytes,
        "airtime_s": rounded(observed.airtime_s),
        "snr_db": quality.snr_db if quality else None,
        "rssi_dbm": quality.rssi_dbm if quality else None,
        "tasks": {name: _without_pixels(said) for name, said in answer.tasks.items()},
    }


def state(
    site: str, observed: Observed, alerts: Sequence[str], period_s: float | None
) -> dict[str, Any]:
    """All that is known of a node at this moment."""
    answer, status, heard = observed.answer, observed.status, observed.heard
    quality = heard.quality if heard else None
    return {
        "schema": SCHEMA,
        "site": site,
        "node": observed.node.number,
        "name": observed.node.title,
        "heard_at": at(heard.received_s if heard else None),
        "period_s": rounded(period_s, 1),
        "image": answer.image if answer else None,
        "label": answer.label if answer else None,
        "confidence": rounded(answer.confidence) if answer else None,
        "is_anomaly": answer.strangeness.is_anomaly if answer and answer.strangeness else None,
        "captured_at": at(captured_s(answer)) if answer else None,
        "received_at": at(answer.received_s) if answer else None,
        "queue_images": status.queue_images if status else None,
        "oldest_age_s": rounded(status.oldest_age_s, 1) if status else None,
        "budget_s": rounded(status.budget_s, 3) if status else None,
        "fault": status.fault if status else None,
        "loss_ratio": rounded(observed.loss_ratio()),
        "snr_db": quality.snr_db if quality else None,
        "rssi_dbm": quality.rssi_dbm if quality else None,
        "alerts": list(alerts),
    }


def alert(site: str, one: Alert) -> dict[str, Any]:
    """What began, or is over."""
    return {
        "schema": SCHEMA,
        "id": one.id,
        "site": site,
        "node": one.node,
        "rule": one.rule,
        "kind": one.kind,
        "state": one.state,
        "at": at(one.at_s),
        "sentence": one.sentence,
    }


def picture(answer: Answer) -> bytes | None:
    """PNG of the first task that decodes pixels; None where there is none."""
    for said in answer.tasks.values():
        if "pixels" in said:
            pixels = np.frombuffer(base64.b64decode(said["pixels"]), np.uint8)
            return writer.to_png(pixels.reshape(said["shape"]))
    return None


def packed(content: Mapping[str, Any]) -> bytes:
    """In ASCII, and the same for the same content."""
    return json.dumps(content, separators=(",", ":")).encode("ascii")


def captured_s(answer: Answer) -> float | None:
    """Unix time; None where the node cannot tell."""
    return None if answer.age_s is None else answer.received_s - answer.age_s


def at(unix_s: float | None) -> str | None:
    """ISO 8601, in UTC."""
    if unix_s is None:
        return None
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _without_pixels(said: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in said.items() if key not in ("pixels", "shape")}
