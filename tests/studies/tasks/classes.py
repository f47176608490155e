"""Classes: the bundle's own, coarser and other ones, and new ones from few examples."""

from collections.abc import Sequence

import numpy as np

from export.decoders.add import (
    FEW_PASSES,
    class_decoder,
    class_lessons,
    new_class_decoder,
)
from export.decoders.lessons import AtHost, passes
from export.decoders.networks import CE, KL, SVM, Learning
from export.decoders.questions import COARSE, FINE, LABEL, LIVING, NewClass, classes_of
from export.encoder.symbols import received
from tests.studies.tasks.anomalies import told_apart
from tests.studies.tasks.field import Field, Received
from tests.studies.tasks.rows import Row, Rows, plain

OWN_TASKS = {
    "cifar10": (LABEL, LIVING),
    "cifar100": (LABEL, COARSE, LIVING),
    "cifar100-coarse": (LABEL, FINE, LIVING),
}
N_NEW_CLASSES, SHOTS = 10, (5, 20, 100)


def class_rows(place: Field, rows: Rows, seeds: Sequence[int]) -> None:
    tasks = [
        (task, classes_of(task, place.data, place.data_dir)) for task in OWN_TASKS[place.data.name]
    ]
    tasks.append((f"{place.other.name}'s classes", place.other))
    if place.other.coarse_classes:
        tasks.append(
            (f"{place.other.name}'s superclasses", classes_of(COARSE, place.other, place.data_dir))
        )
    for task, data in tasks:
        for loss in (CE, SVM, KL) if task == LABEL else (CE,):
            name = f"{task}, {loss}" if task == LABEL else task
            if missing := rows.missing(name, seeds):
                heard, test = place.heard(data), place.receive(data.test.images)
                lessons = class_lessons(heard, loss, place.own_decoder)
                rule = best_rule(place.receive(data.validation.images), data.validation.labels)
            for seed in missing:
                classify = place.on_host(class_decoder(heard, lessons, loss, Learning(seed=seed)))
                right = classify(test.symbols).argmax(1) == data.test.labels
                right_by_label = rule[test.labels] == data.test.labels
                row = {"accuracy": right.mean(), "label_only_accuracy": right_by_label.mean()}
                rows.add(name, seed, plain(row | {"bytes": test.n_bytes.mean()}))


def best_rule(arrived: Received, targets: np.ndarray) -> np.ndarray:
    """The target to say for each label, int64 (labels,): the most frequent one, and 0 for a label
    that never came.
    """
    counts = np.zeros((arrived.label_scores.shape[1], targets.max() + 1), np.int64)
    np.add.at(counts, (arrived.labels, targets), 1)
    return counts.argmax(1)


def new_class_rows(place: Field, rows: Rows, seeds: Sequence[int]) -> None:
    """Means over ten classes, evenly spread over the other data set's, each told from all of the
    bundle's own.
    """
    names = place.other.classes[:: len(place.other.classes) // N_NEW_CLASSES]
    heard, own = place.heard(place.data), place.receive(place.data.test.images)
    usual = place.receive(place.data.validation.images)
    for shots in SHOTS:
        for seed in rows.missing(f"new class, {shots} shots", seeds):
            measured = [
                new_class_row(place, heard, own, usual, name, shots, seed) for name in names
            ]
            row = {figure: np.mean([one[figure] for one in measured]) for figure in measured[0]}
            rows.add(f"new class, {shots} shots", seed, plain(row))


def new_class_row(
    place: Field, heard: AtHost, own: Received, usual: Received, name: str, shots: int, seed: int
) -> Row:
    where = f"{place.other.name}:{name}"
    new = NewClass.find(where, max(SHOTS), seed, place.bundle.image, place.data_dir)
    encode = received(place.encode, place.bundle.tables)
    few = np.stack([encode(view) for view in passes(new.few, place.data.augmentation, FEW_PASSES)])[
        :, :shots
    ]
    arrived = place.receive(new.test)
    classify = place.on_host(new_class_decoder(heard, few, name, Learning(seed=seed)))
    scores = [classify(some.symbols)[:, 1] for some in (own, arrived)]
    # What a label alone tells: how much more often it comes for the examples than for the bundle's
    # own images.
    n_labels = own.label_scores.shape[1]
    said = place.own_decoder(few[0]).argmax(1)
    often = np.bincount(said, minlength=n_labels) + 1 / n_labels
    ratio = often / (np.bincount(usual.labels, minlength=n_labels) + 1)
    by_label = [ratio[some.labels] for some in (own, arrived)]
    return {
        "auroc": told_apart("", *scores)["auroc"],
        "found": (scores[1] > 0.5).mean(),
        "false_alarms": (scores[0] > 0.5).mean(),
        "label_only_auroc": told_apart("", *by_label)["auroc"],
    }
