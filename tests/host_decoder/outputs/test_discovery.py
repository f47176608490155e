"""What Home Assistant is told, checked as Home Assistant checks it (its MQTT integration, device
discovery).
"""

import json
import re
from dataclasses import replace

import pytest

from host_decoder.outputs import messages
from host_decoder.outputs.discovery import FILE, Announced, Places, components, payload

PLACES = Places("latentlink", "farm", "latentlink-farm")
PLATFORMS = {
    "sensor": {"dev_cla", "unit_of_meas", "stat_cla", "ent_cat", "ic", "val_tpl"},
    "binary_sensor": {"dev_cla", "ent_cat", "val_tpl"},
    "image": {"img_t", "cont_type"},
}
"Keys of each platform that are of use here, as Home Assistant abbreviates them."
STATE = json.loads(messages.SCHEMA_FILE.read_text())["$defs"]["state"]["properties"]


@pytest.mark.parametrize("has_pictures", [False, True])
def test_a_device_has_all_that_home_assistant_asks_for(node_entry, has_pictures):
    said = payload(PLACES, replace(node_entry, name="Gate camera"), has_pictures, {})
    assert json.loads(json.dumps(said)) == said
    assert said["dev"]["ids"] == ["ll_farm_7"]
    assert (said["dev"]["name"], said["o"]["name"]) == ("Gate camera", "latentlink")
    assert said["avty_mode"] == "all"
    assert [one["t"] for one in said["avty"]] == [
        "latentlink/1/host/latentlink-farm/status",
        "latentlink/1/farm/7/availability",
    ]
    assert said["stat_t"] == "latentlink/1/farm/7/state"
    ids = [part["uniq_id"] for part in said["cmps"].values()]
    assert len(set(ids)) == len(ids)
    assert all(one.startswith("ll_farm_7_") for one in ids)
    assert ("picture" in said["cmps"]) is has_pictures
    for part in said["cmps"].values():
        assert part.keys() - {"p", "name", "uniq_id"} <= PLATFORMS[part["p"]]
        named = set(re.findall(r"value_json\.(\w+)", part.get("val_tpl", "")))
        assert named <= STATE.keys()
        assert named or part["p"] == "image"


def test_a_name_changes_no_id(node_entry):
    before, after = (
        payload(PLACES, replace(node_entry, name=name), True, {}) for name in ("a", "b")
    )
    assert before["dev"].pop("name") != after["dev"].pop("name")
    assert before == after


def test_a_part_that_is_no_more_is_taken_from_the_device(node_entry):
    before = {key: part["p"] for key, part in components(PLACES, node_entry, True).items()}
    assert payload(PLACES, node_entry, False, before)["cmps"]["picture"] == {"p": "image"}
    assert payload(PLACES, node_entry, True, before) == payload(PLACES, node_entry, True, {})


def test_what_was_announced_is_remembered_and_a_damaged_file_is_as_none(tmp_path):
    announced = Announced(tmp_path / FILE)
    assert announced.devices == {}
    told = {"homeassistant/device/ll_farm_7/config": (7, "farm", {"label": "sensor"})}
    announced.set(told)
    assert Announced(tmp_path / FILE).devices == told
    (tmp_path / FILE).write_text("{}")
    assert Announced(tmp_path / FILE).devices == {}
