"""A bundle answers further tasks by further decoders, each of which must fit what the manifest says
of it.
"""

import base64
import json
import shutil

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from host_decoder.commands import main
from host_decoder.config import KnownNode, read_config
from host_decoder.decode.task_reader import task_reader
from host_decoder.errors import ConfigError
from host_decoder.events import Answer
from host_decoder.receive.host import Host
from host_decoder.store.store import Store
from link.bundle.bundle import Bundle, BundleError
from link.bundle.manifest import TaskEntry
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import CLASSES, KEY, NODE, SmallNode, weights, write_decoder

SYMBOLS = np.arange(24, dtype=np.float32).reshape(2, 12)


def write_model(path, nodes, output, kind, shape, constants=()):
    graph = helper.make_graph(
        nodes,
        "decoder",
        [helper.make_tensor_value_info("symbols", TensorProto.FLOAT, ["batch", 12])],
        [helper.make_tensor_value_info(output, kind, ["batch", *shape])],
        [numpy_helper.from_array(array, name) for name, array in constants],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )


def write_sum(path):
    """A score: the sum of the symbols."""
    nodes = [helper.make_node("ReduceSum", ["symbols", "axes"], ["score"], keepdims=0)]
    write_model(path, nodes, "score", TensorProto.FLOAT, [], [("axes", np.array([1]))])


def write_ramp(path, width=8):
    """Pixels: each image is eight rows of the first `width` symbols, without their signs."""
    nodes = [
        helper.make_node("Slice", ["symbols", "start", "end", "axes"], ["first"]),
        helper.make_node("Reshape", ["first", "row"], ["rows"]),
        helper.make_node("Abs", ["rows"], ["positive"]),
        helper.make_node("Tile", ["positive", "repeats"], ["image"]),
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.UINT8),
    ]
    constants = {
        "start": [0],
        "end": [width],
        "axes": [1],
        "row": [-1, 1, width, 1],
        "repeats": [1, 8, 1, 1],
    }
    arrays = [(name, np.array(values)) for name, values in constants.items()]
    write_model(path, nodes, "pixels", TensorProto.UINT8, [8, width, 1], arrays)


@pytest.fixture
def tasked(bundle, tmp_path) -> Bundle:
    """The bundle with three further tasks."""
    folder = tmp_path / "tasked"
    shutil.copytree(bundle.path, folder)
    write_decoder(folder / "decoder-size.onnx", weights(12, seed=5)[:, :3])
    write_sum(folder / "decoder-odd.onnx")
    write_ramp(folder / "decoder-thumbnail.onnx")
    tasked = Bundle.load(folder, "host")
    sizes = TaskEntry(file="decoder-size.onnx", classes=("small", "large", "huge"))
    odd = TaskEntry(file="decoder-odd.onnx", output="score", threshold=100)
    thumbnail = TaskEntry(file="decoder-thumbnail.onnx", output="pixels")
    return tasked.with_task("size", sizes).with_task("odd", odd).with_task("thumbnail", thumbnail)


def test_classes_are_named_best_first(tasked):
    logits = SYMBOLS @ weights(12, seed=5)[:, :3]
    for answer, row in zip(task_reader(tasked, "size")(SYMBOLS), logits, strict=True):
        names = [("small", "large", "huge")[i] for i in np.argsort(-row)]
        assert answer["label"] == names[0]
        assert [name for name, _ in answer["top"]] == names
        assert sum(share for _, share in answer["top"]) == pytest.approx(1, abs=1e-3)


def test_a_score_above_its_threshold_is_an_anomaly(tasked):
    low, high = task_reader(tasked, "odd")(SYMBOLS)
    assert low == {"score": 66.0, "is_anomaly": False}
    assert high == {"score": 210.0, "is_anomaly": True}


def test_pixels_come_with_their_shape(tasked):
    _, second = task_reader(tasked, "thumbnail")(SYMBOLS)
    pixels = np.frombuffer(base64.b64decode(second["pixels"]), np.uint8).reshape(second["shape"])
    assert np.array_equal(pixels[..., 0], np.tile(np.arange(12, 20), (8, 1)))


def test_further_tasks_leave_the_bundle_s_id_and_are_checked_as_its_other_files_are(tasked, bundle):
    assert tasked.id == bundle.id
    (tasked.path / "decoder-odd.onnx").write_bytes(b"another")
    with pytest.raises(BundleError, match=r"decoder-odd\.onnx of bundle .* is damaged"):
        Bundle.load(tasked.path, "host")
    Bundle.load(tasked.path, "node")


def test_a_task_that_is_not_there_is_told_what_is(tasked):
    with pytest.raises(
        BundleError,
        match=r"no task 'colour', it has label, odd, size, thumbnail; 'python -m export",
    ):
        task_reader(tasked, "colour")


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (
            {"file": "decoder-odd.onnx", "output": "smell"},
            "its output is 'smell', there are probabilities, score, pixels",
        ),
        (
            {"file": "decoder-size.onnx", "classes": ["one"]},
            "it has 1 classes, at least two are needed",
        ),
        (
            {"file": "decoder-odd.onnx", "output": "score", "threshold": "high"},
            "threshold is .high., it must be a number",
        ),
        (
            {"file": "decoder-size.onnx", "classes": ["a", "b"]},
            r"gives \(3,\) numbers per image, the manifest names 2",
        ),
        (
            {"file": "decoder-odd.onnx", "output": "pixels"},
            r'maps .* to \[\'score\'\], expected \["symbols"\] to \["pix',
        ),
    ],
)
def test_an_entry_that_misstates_its_decoder_is_refused(tasked, entry, sentence):
    with pytest.raises(BundleError, match=sentence):
        task_reader(tasked.with_task("wrong", TaskEntry(file=entry["file"], others=entry)), "wrong")


def test_a_picture_of_another_shape_than_the_images_is_refused(tasked):
    write_ramp(tasked.path / "decoder-thumbnail.onnx", width=6)
    with pytest.raises(
        BundleError,
        match=r"gives uint8 \(8, 6, 1\) per image, the bundle's images are uint8 \(8, 8, 1\)",
    ):
        task_reader(tasked, "thumbnail")


@pytest.mark.parametrize("name", ["", "Size", "../size", "a" * 41, "two words"])
def test_a_name_that_is_no_file_name_is_refused(tasked, name):
    with pytest.raises(BundleError, match="cannot name a task"):
        tasked.with_task(name, TaskEntry(file="decoder-size.onnx"))


def answer_of(events) -> Answer:
    [answer] = [event for event in events if isinstance(event, Answer)]
    return answer


def test_answers_as_they_come_carry_the_tasks_that_a_node_is_asked(tasked, tmp_path):
    node = KnownNode(NODE, KEY, tasked, tasks=("odd", "size"))
    symbols = random_symbols(tasked.tables, 0)
    with Store(tmp_path / "store.sqlite") as store:
        [packet] = SmallNode(tasked).packets(symbols)
        answer = answer_of(Host([node], store).receive(packet, now_s=0.0))
    said = json.loads(json.dumps(answer.to_json()))
    assert said["label"] in CLASSES
    assert said["tasks"]["odd"]["score"] == symbols.sum()
    assert (
        said["tasks"]["size"]["label"]
        == ("small", "large", "huge")[(symbols @ weights(12, seed=5)[:, :3]).argmax()]
    )


def test_an_earlier_bundle_is_asked_the_tasks_that_it_knows(tasked, other_bundle, tmp_path):
    node = KnownNode(NODE, KEY, tasked, earlier_bundles=(other_bundle,), tasks=("odd",))
    with Store(tmp_path / "store.sqlite") as store:
        host, sender = Host([node], store), SmallNode(other_bundle)
        [packet] = sender.packets(random_symbols(other_bundle.tables, 0))
        answer = answer_of(host.receive(packet, now_s=0.0))
    assert "tasks" not in answer.to_json()


def test_host_toml_names_tasks_that_the_bundle_has(tasked, tmp_path):
    (tmp_path / "node.key").write_text(KEY.hex())
    toml = '[link]\nport = "/dev/null"\n[[node]]\nnode = 7\nkey = "node.key"\n'
    toml += f'bundle = "{tasked.path}"\ntasks = %s\n'
    (tmp_path / "host.toml").write_text(toml % '["odd", "thumbnail"]')
    [node] = read_config(tmp_path / "host.toml").nodes
    assert node.tasks == ("odd", "thumbnail")
    (tmp_path / "host.toml").write_text(toml % '["colour"]')
    with pytest.raises(
        ConfigError, match="has no task 'colour', it has label, odd, size, thumbnail"
    ):
        read_config(tmp_path / "host.toml")


@pytest.fixture
def filled(tasked, node_entry, tmp_path):
    """Path of a store with five images that a node sent before anybody thought of these tasks."""
    path = tmp_path / "filled.sqlite"
    with Store(path) as store:
        host, node = Host([node_entry], store), SmallNode(node_entry.bundle)
        for seed in range(5):
            for packet in node.packets(random_symbols(tasked.tables, seed)):
                host.receive(packet, now_s=float(seed))
        host.close()
    return path


def test_stored_images_answer_a_task_that_was_added_later(filled, tasked, capsys):
    assert main(["decode", str(filled), "--bundle", str(tasked.path), "--task", "odd"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    wanted = [float(random_symbols(tasked.tables, seed).sum()) for seed in range(5)]
    assert [line["score"] for line in lines] == wanted
    assert "label" not in lines[0]


def test_stored_images_become_pictures(filled, tasked, tmp_path, capsys):
    folder = tmp_path / "pictures"
    options = ["--bundle", str(tasked.path), "--task", "thumbnail", "--pictures", str(folder)]
    assert main(["decode", str(filled), *options]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert "pixels" not in lines[0]
    for seed, line in enumerate(lines):
        with Image.open(line["file"]) as picture:
            row = np.abs(random_symbols(tasked.tables, seed)[:8])
            assert np.array_equal(np.asarray(picture), np.tile(row, (8, 1)))
