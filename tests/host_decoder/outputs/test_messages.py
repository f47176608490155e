"""What is said is what the schema that is shipped says."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator, ValidationError

from host_decoder.alerts.observed import Observation
from host_decoder.alerts.watch import Alert
from host_decoder.decode.verdict import Strangeness
from host_decoder.outputs import messages
from tests.worlds.heard import told
from tests.worlds.small_host import NODE, answer

SCHEMA = json.loads(messages.SCHEMA_FILE.read_text())
TEN_PIXELS = {"pixels": "AAECAwQFBgcICQ==", "shape": [2, 5, 1]}


def check(kind: str, content: Any) -> Any:
    """What comes out of it at the other end, when the schema knows it: all of its keys, and no
    other.
    """
    said = json.loads(messages.packed(content))
    Draft202012Validator({**SCHEMA, "$ref": f"#/$defs/{kind}"}).validate(said)
    assert said.keys() == SCHEMA["$defs"][kind]["properties"].keys()
    return said


@pytest.fixture
def observed(node_entry):
    return Observation([replace(node_entry, name="Gate camera")], 0.0).nodes[NODE]


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)
    with pytest.raises(ValidationError):
        check("state", {"schema": 1})


def test_a_result_of_which_everything_is_known_and_one_of_which_little_is(observed):
    observed.hear(told())
    full = replace(
        answer(4711, n_chunks=2),
        confidence=0.93,
        age_s=12.5,
        strangeness=Strangeness(0.1, False),
        tasks={"thumbnail": TEN_PIXELS, "colour": {"label": "red"}},
    )
    said = check("result", messages.result("farm", full, observed))
    assert (said["rev"], said["label"], said["confidence"]) == (2, "bee", 0.93)
    assert said["received_at"] == "1970-01-01T00:16:40.000Z"
    assert said["captured_at"] == "1970-01-01T00:16:27.500Z"
    assert (said["snr_db"], said["top"][0]) == (7.5, ["bee", 1.0])
    assert said["tasks"] == {"thumbnail": {}, "colour": {"label": "red"}}
    little = check("result", messages.result("farm", replace(answer(1), age_s=None), observed))
    assert (little["captured_at"], little["confidence"], little["is_anomaly"]) == (None, None, None)


def test_a_state_of_a_node_that_was_never_heard_and_of_one_that_tells_all(observed):
    nothing = check("state", messages.state("farm", observed, [], None))
    assert (nothing["name"], nothing["label"], nothing["heard_at"]) == ("Gate camera", None, None)
    observed.hear(told(queue_images=3, oldest_age_s=60.0, budget_s=1.5, fault="no camera"))
    observed.answer = replace(answer(5), confidence=0.5)
    full = check("state", messages.state("farm", observed, ["fault"], 600.0))
    assert (full["queue_images"], full["budget_s"], full["fault"]) == (3, 1.5, "no camera")
    assert (full["label"], full["alerts"], full["period_s"]) == ("bee", ["fault"], 600.0)


def test_an_alert_has_one_id_however_often_it_is_told():
    raised = Alert("cat seen", "label", NODE, True, 1000.0, "node 7 sees cat")
    said = check("alert", messages.alert("farm", raised))
    assert said == check("alert", messages.alert("farm", raised))
    cleared = check("alert", messages.alert("farm", replace(raised, is_raised=False)))
    assert (said["state"], cleared["state"]) == ("raised", "cleared")
    assert said["id"] != cleared["id"]


def test_a_picture_is_that_of_the_task_that_decodes_one():
    assert messages.picture(answer(1)) is None
    png = messages.picture(replace(answer(1), tasks={"thumbnail": TEN_PIXELS}))
    assert png is not None
    assert png.startswith(b"\x89PNG\r\n\x1a\n")


def test_a_label_of_any_letters_is_ascii_on_the_way():
    label = replace(answer(1), classes=("Käse", "Süß", "雪", "x"), probabilities=np.eye(4)[1])
    assert messages.packed({"label": label.label}) == b'{"label":"S\\u00fc\\u00df"}'
