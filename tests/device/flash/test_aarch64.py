"""The node's own encoder on its own processors, without a boot: aarch64 Python and LiteRT, run by
qemu-user.
"""

import os
import shutil

import numpy as np
import pytest

from device.flash.tools import UnreachableError
from link.bundle.bundle import Bundle
from tests.device.flash.conftest import BUNDLE
from tests.programs import program
from tests.studies.boot_image import photographs
from tests.worlds.aarch64 import PROCESSORS, Aarch64
from tests.worlds.node_work import work
from tests.worlds.team_bundle import make_team_bundle, random_images

N_IMAGES = 48


@pytest.fixture(scope="module")
def aarch64(tmp_path_factory):
    """A folder with Debian's aarch64 Python, our two packages and their wheels."""
    qemu, fakeroot = program("qemu-aarch64"), program("fakeroot") if os.geteuid() else None
    program("mmdebstrap")
    root = tmp_path_factory.mktemp("aarch64")
    try:
        yield Aarch64(root, qemu, fakeroot)
    except UnreachableError as error:
        pytest.skip(f"aarch64 is NOT TESTED: {error}")
    shutil.rmtree(root)


def same_there(aarch64, bundle, images, processor, folder):
    here = work(bundle, images)
    there = aarch64.work(bundle.path, images, processor, folder, 300)
    assert (here.runtime, there.runtime) == ("ai_edge_litert", "ai_edge_litert")
    assert there.machine == "aarch64" != here.machine
    assert len(np.unique(here.integers, axis=0)) > len(images) // 2
    np.testing.assert_array_equal(there.integers, here.integers)
    assert there.bitstreams == here.bitstreams


@pytest.mark.parametrize("processor", PROCESSORS)
def test_a_node_makes_the_symbols_and_bytes_that_this_machine_makes(aarch64, tmp_path, processor):
    bundle = Bundle.load(BUNDLE, side="node")
    images = photographs(bundle.image.height, N_IMAGES)
    same_there(aarch64, bundle, images, processor, tmp_path)


def test_parts_of_a_team_make_what_they_make_on_this_machine(aarch64, tmp_path):
    bundle = make_team_bundle(tmp_path / "bundle")
    same_there(aarch64, bundle, random_images(N_IMAGES), PROCESSORS[0], tmp_path)
