"""A real int8 model, a bundle around it, and a node's home folder."""

import os
import tty
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from export.partition.part_file import PIXEL, STEP, Conv, Layer, Pool, write_part
from link.bundle.bundle import Bundle
from link.bundle.image_spec import ImageSpec
from link.coder.tables import Tables
from link.security.keys import provision
from tests.worlds.small_bundle import small_manifest

IMAGE_SIZE, N_LATENTS, NODE = 8, 8, 3
CLASSES = ["no", "yes"]

FEATURE_SCALE = 0.05


@pytest.fixture(scope="session")
def int8_model(tmp_path_factory):
    """Path of an encoder: two convolutions, int8 8 x 8 x 1 to 8 latents."""
    random = np.random.default_rng(0)
    stem, head = random.normal(size=(8, 1, 3, 3)), 4 * random.normal(size=(N_LATENTS, 8, 4, 4))
    layers: list[Layer] = [
        Conv(stem, np.zeros(8), 1, FEATURE_SCALE),
        Pool(),
        Conv(head, np.zeros(N_LATENTS), 0, STEP, has_relu=False),
    ]
    path = tmp_path_factory.mktemp("model") / "encoder.tflite"
    write_part(path, (IMAGE_SIZE, IMAGE_SIZE, 1), PIXEL, layers)
    return path


@pytest.fixture(scope="session")
def images():
    """uint8 (12, 8, 8, 1): noise of twelve brightnesses."""
    noise = np.random.default_rng(7).integers(0, 256, (12, IMAGE_SIZE, IMAGE_SIZE, 1))
    return (noise * np.linspace(0.3, 1.0, 12)[:, None, None, None]).astype(np.uint8)


@pytest.fixture(scope="session")
def symbols(int8_model, images):
    """int8 (12, 8): what the model makes of the images, computed without the node's code."""
    interpreter = Interpreter(str(int8_model), num_threads=1)
    interpreter.allocate_tensors()
    [taken], [given] = interpreter.get_input_details(), interpreter.get_output_details()
    rows = []
    for image in images:
        interpreter.set_tensor(taken["index"], (image.astype(np.int16) - 128).astype(np.int8)[None])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(given["index"])[0])
    return np.array(rows)


@pytest.fixture
def make_bundle(int8_model, tmp_path):
    """Makes a bundle as the node needs it: tables that know every int8 symbol, and no decoder."""

    def make(name="bundle", model=None, n_latents=N_LATENTS, **image_spec):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "encoder.tflite").write_bytes(int8_model.read_bytes() if model is None else model)
        (folder / "decoder.onnx").write_bytes(b"the node needs none")
        Tables.from_counts([-128] * n_latents, np.ones((n_latents, 256))).to_npz(
            folder / "tables.npz"
        )
        image = replace(ImageSpec(IMAGE_SIZE, IMAGE_SIZE, 1), **image_spec)
        bundle = Bundle.write(folder, small_manifest(image, n_latents, CLASSES))
        (folder / "decoder.onnx").unlink()
        return bundle

    return make


@pytest.fixture
def bundle(make_bundle):
    return make_bundle()


class Home:
    """A node's folder: bundle, keys, a replay file, and node.toml with anything in it changed."""

    def __init__(self, folder: Path, bundle, images):
        self.folder = folder
        self.bundle = bundle
        self.node = NODE
        self.key = provision(folder / "keys", NODE).key
        self.labels = np.arange(len(images)) % 2
        np.savez(
            folder / "replay.npz", images=images, labels=self.labels, classes=np.array(CLASSES)
        )

    def config(
        self, port="/dev/ttyNOWHERE", profile="serial-115200", node="", source="", link=""
    ) -> Path:
        lines = [
            f'node = {NODE}\nbundle = "bundle"\nkey_dir = "keys"\n{node}',
            f'[source]\nkind = "replay"\npath = "replay.npz"\n{source}',
            f'[link]\nport = "{port}"\nprofile = "{profile}"\n{link}',
        ]
        path = self.folder / "node.toml"
        path.write_text("\n".join(lines))
        return path

    def replace(self, old: str, new: str) -> Path:
        path = self.config()
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        return path


@pytest.fixture
def home(tmp_path, bundle, images):
    return Home(tmp_path, bundle, images)


@pytest.fixture
def port():
    """A serial port and its far end: (path for the node, file descriptor on which its bytes
    arrive).
    """
    far, near = os.openpty()
    tty.setraw(near)
    os.set_blocking(far, False)
    yield os.ttyname(near), far
    os.close(near)
    os.close(far)
