"""News: what a worker hears, as a line that other processes of the fleet read: the leader's outputs
and alerts, and pages. Each begins with the answer's JSON line as `latentlink host` prints it.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from host_decoder.decode.verdict import Strangeness
from host_decoder.events import Answer, Heard, Notice
from link.bundle import Bundle
from link.host import Rejected, StatusHeard
from link.wire import Quality

ANSWER, HEARD = "answer", "heard"
FIGURES = ("sent", "lost", "airtime_s", "downlink_bytes", "downlink_airtime_s")
"Those of a node that anybody asks for."


def line(site: str, event: Answer | Heard | Notice | Rejected) -> str | None:
    """None: nobody elsewhere wants to know."""
    if isinstance(event, Answer):
        share = base64.b64encode(event.probabilities.astype(np.float16).tobytes()).decode()
        more = {"site": site, "probabilities": share, "decoder": event.decoder}
        return _packed({**event.to_json(), **more})
    if isinstance(event, Heard):
        return _packed(_heard(site, event))
    return None


def read(text: str, bundles: Mapping[str, Bundle]) -> tuple[str, Answer | Heard] | None:
    """Site and event; None where the answer is of a bundle that is not known here."""
    said = json.loads(text)
    if said["event"] == HEARD:
        return said["site"], _read_heard(said)
    bundle = bundles.get(said["bundle"])
    return None if bundle is None else (said["site"], _read_answer(said, bundle))


def _packed(content: dict[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"))


def _heard(site: str, event: Heard) -> dict[str, Any]:
    told = event.told
    return {
        "event": HEARD,
        "site": site,
        "gateway": event.gateway,
        "outcome": event.outcome,
        "node": event.node,
        "packet_bytes": event.packet_bytes,
        "received_s": event.received_s,
        "quality": [event.quality.snr_db, event.quality.rssi_dbm],
        "told": None if told is None else told.to_json(),
        "figures": {name: event.figures[name] for name in FIGURES if name in event.figures},
        "commit_s": event.commit_s,
    }


def _read_heard(said: dict[str, Any]) -> Heard:
    told = said["told"]
    return Heard(
        said["gateway"],
        said["outcome"],
        said["node"],
        said["packet_bytes"],
        said["received_s"],
        Quality(*said["quality"]),
        None if told is None else StatusHeard.from_json(told),
        said["figures"],
        said["commit_s"],
    )


def _read_answer(said: dict[str, Any], bundle: Bundle) -> Answer:
    score = said["anomaly_score"]
    alive = said.get("alive")
    shares = np.frombuffer(base64.b64decode(said["probabilities"]), np.float16)
    return Answer(
        node=said["node"],
        image=said["image"],
        counter=said["counter"],
        bundle=said["bundle"],
        classes=bundle.classes,
        probabilities=shares.astype(np.float32),
        n_known=said["symbols_known"],
        n_latents=said["symbols"],
        n_chunks=said["chunks"],
        is_complete=said["is_complete"],
        bitstream_bytes=said["bitstream_bytes"],
        packet_bytes=said["packet_bytes"],
        age_s=said["age_s"],
        received_s=said["received_s"],
        confidence=said["confidence"],
        alive=None if alive is None else tuple(map(bool, alive)),
        strangeness=None if score is None else Strangeness(score, said["is_anomaly"]),
        is_enough=said["is_enough"],
        tasks=said.get("tasks", {}),
        decoder=said["decoder"],
    )
