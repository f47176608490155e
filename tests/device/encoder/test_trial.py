"""A new bundle on trial: real node processes with two bundles, ended in every way, and what the
next start runs.
"""

import json
import shutil
import signal
import time
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from device.config import load_config
from device.encoder.canary import CANARY, check_canary, make_canary
from device.encoder.encoder import Encoder
from device.encoder.loading import load
from device.encoder.trial import PROBATION_IMAGES, STATE_FILE, Installed, TrialState
from link.base import durable
from link.bundle.bundle import Bundle, BundleError
from link.bundle.manifest import ENCODER
from link.host.interface import NodeEntry
from link.host.receiver import Receiver
from link.medium.profiles import get_profile
from link.medium.timing import LinkTiming
from tests.device.test_node import arrived_symbols, finish, node
from tests.scale import size
from tests.worlds.ends import latent_of
from tests.worlds.far_host import FarHost

SLOW = "loop = true\ninterval_s = 5"
QUICK = "loop = true\ninterval_s = 0.02"


@pytest.fixture
def old(bundle):
    """The bundle in use."""
    (bundle.path / CANARY).write_bytes(make_canary(bundle))
    return bundle


@pytest.fixture
def new(old, tmp_path):
    """Another bundle: what its encoder computes is the same, its id is not."""
    folder = tmp_path / "later"
    shutil.copytree(old.path, folder)
    (folder / "decoder.onnx").write_bytes(b"the node needs none")
    node = replace(old.manifest.node, wavelet="bior2.2")
    made = Bundle.write(folder, replace(old.manifest, node=node))
    (folder / "decoder.onnx").unlink()
    assert made.id != old.id
    return made


@pytest.fixture
def updated(home, old, new):
    """A node's home in which `new` has just been installed over `old`, as update.sh leaves it."""
    folder = home.folder / "bundles"
    for bundle in (old, new):
        shutil.copytree(bundle.path, folder / bundle.id.hex())
    shutil.rmtree(old.path)
    (home.folder / "bundle").symlink_to(f"bundles/{new.id.hex()}")
    (home.folder / "bundle.previous").symlink_to(f"bundles/{old.id.hex()}")
    return home


class BothHost(FarHost):
    """A host that has the decoders of both bundles."""

    def __init__(self, home, far, new):
        super().__init__(home, far)
        timing = LinkTiming(get_profile("serial-115200"))
        self._receiver = Receiver({home.node: NodeEntry(home.key, new, (home.bundle,))}, timing)


def installed(home):
    return Installed(load_config(home.folder / "node.toml"))


def notices(said):
    return [line["sentence"] for line in said["notice"]]


def read_until(process, sentence):
    """Lines of the console up to the notice with these words."""
    said = []
    for line in map(json.loads, process.stdout):
        said.append(line)
        if sentence in line.get("sentence", ""):
            return said
    raise AssertionError(f"the node ended without saying {sentence!r}")


def test_a_bundle_passes_with_its_canary_and_some_images(updated, port, new, symbols):
    path, far = port
    with BothHost(updated, far, new) as host, node(updated.config(path)) as process:
        said = finish(process)
    assert notices(said) == [
        f"bundle {new.id.hex()} is on trial: 0 of 48 canary symbols differ, by at most 0",
        f"bundle {new.id.hex()} has passed: 3 images encoded",
    ]
    assert {update.bundle.id for update in host.complete} == {new.id}
    assert (arrived_symbols(host) == symbols).all()
    assert installed(updated).state == TrialState.PASSED
    with BothHost(updated, far, new), node(updated.config(path, source="limit = 1")) as process:
        assert notices(finish(process)) == []


def test_after_it_died_with_a_new_bundle_a_node_goes_back_for_good(updated, port, old, new):
    path, far = port
    with node(updated.config(path, source=SLOW)) as process:
        read_until(process, "is on trial")
        process.kill()
    for _ in range(2):
        with (
            BothHost(updated, far, new) as host,
            node(updated.config(path, source="limit = 2")) as process,
        ):
            said = finish(process)
        assert notices(said)[0] == (
            f"bundle {new.id.hex()} failed (the node stopped while it was on trial); "
            f"{old.id.hex()}, the one before it, goes on"
        )
        assert {update.bundle.id for update in host.complete[-2:]} == {old.id}
    assert installed(updated).in_use == old.id.hex()


def test_a_node_that_is_told_to_end_begins_the_trial_anew(updated, port, new):
    with node(updated.config(port[0], source=SLOW)) as process:
        read_until(process, "is on trial")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert installed(updated).state == TrialState.NEW
    with (
        BothHost(updated, port[1], new),
        node(updated.config(port[0], source="limit = 4")) as process,
    ):
        assert "has passed" in notices(finish(process))[1]


@pytest.mark.parametrize("moment", ["load", "Trial"])
def test_a_node_that_is_told_to_end_while_it_loads_does_so_too(updated, new, monkeypatch, moment):
    def end(*_):
        raise KeyboardInterrupt

    updated.config()
    monkeypatch.setattr(f"device.encoder.trial.{moment}", end)
    with pytest.raises(KeyboardInterrupt), installed(updated) as ended:
        ended.choose(lambda sentence: None)
    assert installed(updated).state == TrialState.NEW


def test_a_node_that_is_told_to_end_does_not_clear_what_an_earlier_start_died_with(
    updated, new, monkeypatch
):
    updated.config()
    installed(updated).choose(lambda sentence: None)
    assert installed(updated).state == TrialState.BEGUN
    with monkeypatch.context() as patch:

        def end_once(*_):
            patch.undo()
            raise KeyboardInterrupt

        patch.setattr("link.base.durable.write_state", end_once)
        with pytest.raises(KeyboardInterrupt), installed(updated) as ended:
            ended.choose(lambda sentence: None)
    assert installed(updated).state == TrialState.BEGUN


def test_a_node_that_is_told_to_end_keeps_what_has_passed(updated, new):
    updated.config()
    with installed(updated) as ended:
        _, trial = ended.choose(lambda sentence: None)
        for _ in range(PROBATION_IMAGES):
            trial.image_queued()
    assert installed(updated).state == TrialState.PASSED


def test_a_missing_port_is_not_the_bundles_fault(updated):
    with node(updated.config("/dev/ttyNOWHERE")) as process:
        assert "does not exist; ports here:" in process.communicate(timeout=60)[1]
    assert installed(updated).state == TrialState.NEW


def test_whenever_a_trial_is_killed_the_next_start_runs_what_is_proved(updated, port, old, new):
    """Power cuts as a process sees them. What one start said is what the next one must hold to."""
    draw = Random(6)
    for _ in range(size(4, 60)):
        (updated.folder / "keys" / STATE_FILE).unlink(missing_ok=True)
        with node(updated.config(port[0], source=QUICK)) as process:
            time.sleep(draw.uniform(0.3, 4))
            process.kill()
            out = process.communicate()[0]
        state = installed(updated).state
        if "has passed" in out:
            assert state == TrialState.PASSED
        elif "is on trial" in out:
            assert state in (TrialState.BEGUN, TrialState.PASSED)
        loaded, trial = installed(updated).choose(lambda sentence: None)
        assert loaded.bundle.id == (old if state == TrialState.BEGUN else new).id
        assert (trial is not None) == (state == TrialState.NEW)


@pytest.mark.parametrize(
    ("error", "n_wrong", "is_good"), [(1, 3, True), (2, 1, False), (1, 4, False)]
)
def test_the_canary_allows_one_rarely_and_no_more(updated, old, new, error, n_wrong, is_good):
    folder = updated.folder / "bundles" / new.id.hex()
    with np.load(folder / CANARY) as file:
        images, expected = file["images"], file["symbols"].copy()
    expected[2, :n_wrong] += np.where(expected[2, :n_wrong] < 100, error, -error).astype(np.int8)
    np.savez(folder / CANARY, images=images, symbols=expected)
    updated.config()
    said: list[str] = []
    loaded, trial = installed(updated).choose(said.append)
    assert loaded.bundle.id == (new if is_good else old).id
    assert (trial is not None) == is_good
    report = f"{n_wrong} of 48 canary symbols differ, by at most {error}"
    if is_good:
        assert said == [f"bundle {new.id.hex()} is on trial: {report}"]
    else:
        assert f"does not compute here what it computes on its host: {report}" in said[0]
        assert installed(updated).in_use == old.id.hex()


def test_a_damaged_canary_is_named(old):
    (old.path / CANARY).write_bytes(b"PK\x03\x04 no more")
    with pytest.raises(BundleError, match=r"canary\.npz is damaged"):
        check_canary(old, Encoder(old))


@pytest.mark.parametrize("state", [TrialState.NEW, TrialState.PASSED])
def test_a_damaged_bundle_gives_way_to_the_one_before_it(updated, port, old, new, state):
    path, far = port
    updated.config(path)
    durable.write_state(
        updated.folder / "keys" / STATE_FILE,
        {"format": 1, "bundle": new.id.hex(), "stage": state.value, "why": ""},
    )
    encoder = updated.folder / "bundles" / new.id.hex() / ENCODER
    encoder.write_bytes(encoder.read_bytes()[:-1] + b"\xff")
    with (
        BothHost(updated, far, new) as host,
        node(updated.config(path, source="limit = 2")) as process,
    ):
        said = finish(process)
    assert "encoder.tflite of bundle" in notices(said)[0]
    assert "is damaged: SHA-256 is" in notices(said)[0]
    assert {update.bundle.id for update in host.complete} == {old.id}


def test_a_missing_bundle_gives_way_too(updated, old, new):
    updated.config()
    shutil.rmtree(updated.folder / "bundles" / new.id.hex())
    said: list[str] = []
    assert installed(updated).choose(said.append)[0].bundle.id == old.id
    assert "there is no bundle at" in said[0]


@pytest.mark.parametrize("name", ["loop", "n" * 300])
def test_a_link_that_leads_nowhere_is_no_bundle(home, name):
    (home.folder / "loop").symlink_to("loop")
    config = replace(load_config(home.config()), bundle=home.folder / name)
    with Installed(config) as alone, pytest.raises(BundleError, match="there is no bundle at"):
        alone.choose(print)


def test_two_damaged_bundles_are_both_named(updated, old, new):
    updated.config()
    for bundle in (old, new):
        (updated.folder / "bundles" / bundle.id.hex() / ENCODER).unlink()
    with pytest.raises(
        BundleError, match=f"neither bundle can be used. {new.id.hex()}: .* The one before: encoder"
    ):
        installed(updated).choose(lambda sentence: None)


def test_a_damaged_record_only_means_another_trial(updated, new):
    updated.config()
    (updated.folder / "keys" / STATE_FILE).write_text("{")
    assert installed(updated).choose(lambda sentence: None)[1] is not None


def test_where_nothing_can_be_written_no_trial_begins(updated, old, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    updated.config()
    monkeypatch.setattr("link.base.durable.write_state", full)
    said: list[str] = []
    loaded, trial = installed(updated).choose(said.append)
    assert (loaded.bundle.id, trial) == (old.id, None)
    assert "No space left on device" in said[0]


def test_a_node_alone_with_its_first_bundle_is_not_on_trial(home, old):
    home.config()
    assert installed(home).choose(lambda sentence: None)[1] is None
    assert not (home.folder / "keys" / STATE_FILE).exists()


def test_what_waits_is_sent_as_made_with_the_bundle_that_made_it(updated, port, old, new, symbols):
    """The host is deaf while the old bundle runs: nothing of it may be taken for the new one's."""
    path, far = port
    (updated.folder / "bundle").unlink()
    (updated.folder / "bundle").symlink_to(f"bundles/{old.id.hex()}")
    with node(updated.config(path, source="limit = 5\ninterval_s = 0.02")) as process:
        told = [json.loads(process.stdout.readline()) for _ in range(8)]
        process.kill()
        process.communicate()
    before = [line["image"] for line in told if line["event"] == "image"]
    (updated.folder / "bundle").unlink()
    (updated.folder / "bundle").symlink_to(f"bundles/{new.id.hex()}")
    with (
        BothHost(updated, far, new) as host,
        node(updated.config(path, source="interval_s = 0.02")) as process,
    ):
        said = finish(process)
    by_bundle = {
        bundle.id: [u for u in host.complete if u.bundle.id == bundle.id] for bundle in (old, new)
    }
    assert [update.image for update in by_bundle[old.id]][: len(before)] == before
    assert len(by_bundle[new.id]) == 12
    for updates in by_bundle.values():
        decoded = np.array([latent_of(update).symbols for update in updates])
        assert (decoded == symbols[: len(decoded)]).all()
    assert f"bundle {new.id.hex()} has passed: {PROBATION_IMAGES} images encoded" in notices(said)
    assert [one.name for one in (updated.folder / "keys").glob("outbox-*.sqlite")] == [
        f"outbox-{new.id.hex()}.sqlite"
    ]


def test_an_unsigned_bundle_is_refused_where_signatures_are_asked_for(home, old):
    (home.folder / "signer.pub").write_text("ab" * 32 + "\n")
    config = load_config(home.config(node='bundle_signer = "signer.pub"'))
    with pytest.raises(BundleError, match="is not signed, and this node takes only signed ones"):
        load(config.bundle, config.bundle_signer)


def test_the_released_bundle_keeps_its_id_whatever_lies_beside_it(old):
    before = old.id
    (old.path / CANARY).unlink()
    assert Bundle.load(old.path, side="node").id == before


@pytest.mark.parametrize("state", TrialState)
def test_how_a_bundle_did_is_read_as_an_earlier_version_wrote_it(updated, new, state):
    updated.config()
    told = {"format": 1, "bundle": new.id.hex(), "stage": state.value, "why": "so"}
    durable.write_state(updated.folder / "keys" / STATE_FILE, told)
    assert (installed(updated).state, installed(updated).why) == (state, "so")
