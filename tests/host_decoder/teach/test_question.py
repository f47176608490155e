import json

import numpy as np
import pytest

from host_decoder.config import KnownNode
from host_decoder.decode.reader import Reader
from host_decoder.decode.task_reader import task_reader
from host_decoder.decode.verdict import VerdictConfig
from host_decoder.errors import HostError
from host_decoder.receive.answers import Answers
from host_decoder.teach.examples import Examples
from host_decoder.teach.question import Question, write
from link.bundle.bundle import Bundle, BundleError
from tests.worlds.small_bundle import random_symbols
from tests.worlds.small_host import KEY, NODE, make_bundle

N_EACH = 40


@pytest.fixture(scope="module")
def told_apart(bundle):
    """Symbols of images that show big or small, and which: the first latents say it."""
    symbols = np.stack([random_symbols(bundle.tables, seed) for seed in range(4 * N_EACH)])
    order = np.argsort(symbols[:, :4].sum(1), kind="stable")
    symbols = symbols[np.r_[order[:N_EACH], order[-N_EACH:]]]
    return symbols, ["small"] * N_EACH + ["big"] * N_EACH


@pytest.fixture(scope="module")
def taught(bundle, told_apart, tmp_path_factory):
    """The bundle with that question, and the question."""
    own = make_bundle(tmp_path_factory.mktemp("taught") / "bundle", bundle.tables)
    question = Question.learned(own, Examples.of(told_apart[0], told_apart[1], "stored images"))
    return write(own, "size", question), question


def test_a_taught_question_is_a_task_and_the_bundle_keeps_its_id(bundle, taught, told_apart):
    written, question = taught
    loaded = Bundle.load(written.path, "host")
    assert loaded.id == bundle.id
    assert loaded.task("size").classes == ("big", "small")
    assert question.accuracy > 0.9
    symbols, names = told_apart
    said = list(task_reader(loaded, "size")(symbols.astype(np.float32)))
    assert np.mean([one["label"] == name for one, name in zip(said, names, strict=True)]) > 0.9
    assert np.mean([one["is_anomaly"] for one in said]) < 0.15
    entry = json.loads((written.path / "manifest.json").read_text())["host"]["tasks"]["size"]
    assert entry["measured"]["accuracy"] == question.accuracy
    assert json.loads(json.dumps(said))[0]["confidence"] > 0.5


def test_a_question_in_the_labels_place_gives_verdicts_of_its_own(taught, told_apart):
    written, _ = taught
    asked = written.asked("size")
    assert asked.classes == ("big", "small")
    assert asked.calibration is not None
    assert written.calibration is None  # the label's
    symbols, names = told_apart
    reader = Reader(asked, VerdictConfig(confidence=0.9))
    verdicts = reader.judge_all(symbols.astype(np.float32), np.full(len(symbols), 12))
    sure = [one for one in verdicts if one.confidence is not None and one.confidence >= 0.9]
    assert len(sure) > N_EACH
    assert all(one.is_enough for one in sure)
    right = [asked.classes[one.probabilities.argmax()] for one in verdicts]
    assert np.mean([a == b for a, b in zip(right, names, strict=True)]) > 0.9


def test_nodes_of_one_bundle_may_be_asked_different_questions(taught, told_apart):
    written, _ = taught
    nodes = [
        KnownNode(NODE, KEY, written),
        KnownNode(NODE + 1, bytes(16), written.asked("size")),
    ]
    answers = Answers(nodes, VerdictConfig(), None)
    readers = [answers.reader(node.bundle) for node in nodes]
    symbols = told_apart[0][:1].astype(np.float32)
    [label], [size] = (reader.judge_all(symbols, np.array([12])) for reader in readers)
    assert (len(label.probabilities), len(size.probabilities)) == (4, 2)


def test_what_tells_no_classes_apart_cannot_stand_in_the_labels_place(taught):
    written, _ = taught
    with pytest.raises(BundleError, match="has no task 'colour'"):
        written.asked("colour")
    assert written.asked("label") is written


def test_the_label_is_not_replaced(taught):
    written, question = taught
    with pytest.raises(HostError, match="give yours another --name"):
        write(written, "label", question)
    with pytest.raises(BundleError, match="cannot name a task"):
        write(written, "../label", question)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["open"] * 4, "all of one class, open"),
        (["open", "open", "open", "closed"], "class closed has 1 example"),
    ],
)
def test_a_question_has_two_answers_with_two_examples_each(names, sentence):
    with pytest.raises(HostError, match=sentence):
        Examples.of(np.zeros((4, 3)), names, "test")
