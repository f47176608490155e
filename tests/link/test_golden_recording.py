"""Captures of each wire version, as once recorded: the monitor reads them, and a host makes images
of them.
"""

import pytest

from link.host.interface import NodeEntry, Update
from link.host.receiver import Receiver
from link.monitor.recording import read_recording
from tests.golden.recording import FOLDER, HOST_SALT, SYMBOLS, golden_bundle, monitored
from tests.worlds.ends import KEY, NODE, latent_of

CAPTURES = sorted(FOLDER.glob("*.jsonl"))


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_the_monitor_reads_it_as_it_did(path):
    assert monitored(path) == path.with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_a_host_that_hears_it_has_all_its_images(path, tmp_path):
    host = Receiver({NODE: NodeEntry(KEY, golden_bundle(tmp_path))}, salt=HOST_SALT)
    latents = {}
    with path.open(encoding="ascii") as file:
        for one in read_recording(file)[1]:
            for outcome in host.receive(one.packet, one.t_s) if one.is_uplink else ():
                if isinstance(outcome, Update):
                    latents[outcome.image] = latent_of(outcome)
    assert len(latents) == len(SYMBOLS)
    first, *others = latents.values()
    assert [latent.symbols.tolist() for latent in others] == SYMBOLS[1:]
    assert first.symbols[: first.n_known].tolist() == SYMBOLS[0][: first.n_known]


def test_there_is_one():
    assert CAPTURES
