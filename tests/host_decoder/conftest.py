"""Real bundles for the host: some with tables alone, and one whose encoder a node process can
run.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from device.encoder.interpreter import SELFTEST_MODEL
from host_decoder.config import KnownNode
from host_decoder.store.store import Store
from link.bundle.bundle import Bundle
from link.bundle.calibration import Calibration
from link.coder.tables import Tables
from tests.worlds.small_bundle import random_tables
from tests.worlds.small_host import CLASSES, KEY, NODE, make_bundle, right_label

IMAGE_SHAPE, N_LATENTS, N_IMAGES = (4, 4, 2), 32, 10
"""Sizes of the int8 convolution that a node tests its runtime with: a real encoder for free."""


@pytest.fixture(scope="session")
def live_bundle(tmp_path_factory):
    """A whole bundle: int8 encoder, tables that know every int8 symbol (three components), linear
    decoder.
    """
    random = np.random.default_rng(3)
    rows = [random.dirichlet(np.ones(256), size=3) for _ in range(N_LATENTS)]
    tables = Tables.from_probabilities([-128] * N_LATENTS, rows, np.ones(3))
    return make_bundle(
        tmp_path_factory.mktemp("live") / "blobs", tables, SELFTEST_MODEL.read_bytes(), IMAGE_SHAPE
    )


@pytest.fixture(scope="session")
def replay_file(tmp_path_factory):
    """Ten images from black to white; the truth is what encoder and decoder say of them, only the
    last one's is not.
    """
    shares = np.linspace(0, 1, N_IMAGES)[:, None, None, None]
    images = np.where(
        np.random.default_rng(5).random((N_IMAGES, *IMAGE_SHAPE)) < shares, 255, 0
    ).astype(np.uint8)
    encoder = Interpreter(str(SELFTEST_MODEL), num_threads=1)
    encoder.allocate_tensors()
    [taken], [given] = encoder.get_input_details(), encoder.get_output_details()
    labels = []
    for image in images:
        encoder.set_tensor(taken["index"], (image.astype(np.int16) - 128).astype(np.int8)[None])
        encoder.invoke()
        labels.append(CLASSES.index(right_label(encoder.get_tensor(given["index"]).ravel())))
    labels[-1] = (labels[-1] + 1) % len(CLASSES)
    assert len(set(labels)) >= 3
    path = tmp_path_factory.mktemp("replay") / "replay.npz"
    np.savez(path, images=images, labels=np.array(labels), classes=np.array(CLASSES))
    return path


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    """What a host needs of a bundle: 12 latents, 5 components."""
    return make_bundle(tmp_path_factory.mktemp("bundles") / "blobs", random_tables(seed=1))


@pytest.fixture(scope="session")
def calibrated_bundle(bundle, tmp_path_factory):
    """The same with a calibration that changes no probability."""
    return calibrated(bundle, tmp_path_factory.mktemp("bundles") / "calibrated")


@pytest.fixture(scope="session")
def calibrated_live_bundle(live_bundle, tmp_path_factory):
    return calibrated(live_bundle, tmp_path_factory.mktemp("live") / "calibrated")


def calibrated(bundle: Bundle, folder: Path) -> Bundle:
    shutil.copytree(bundle.path, folder)
    unchanged = Calibration((0, bundle.n_latents), (1.0, 1.0), (0.5, 0.0))
    return Bundle.load(folder, side="host").with_calibration(unchanged, {})


@pytest.fixture(scope="session")
def other_bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("bundles") / "other", random_tables(seed=2))


@pytest.fixture
def node_entry(bundle):
    return KnownNode(NODE, KEY, bundle)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "store.sqlite") as store:
        yield store
