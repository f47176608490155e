"""`latentlink teach`: a new question for the host of a bundle; the nodes know nothing of it."""

import argparse
import sys
import time
from collections import Counter

import numpy as np

from host_decoder.errors import HostError
from host_decoder.store.database.settings import Place
from host_decoder.store.history.redecode import redecode
from host_decoder.store.store import Store
from host_decoder.teach.examples import Examples, of_folder
from host_decoder.teach.labelled import of_store, parse_said, read_csv
from host_decoder.teach.question import Question, write
from link.bundle import Bundle, check_task_name, copies

NONE = "none of these"
SHOWN_ROWS = 30
"Classes whose confusion fits a screen."


def run(arguments: argparse.Namespace) -> None:
    """What `latentlink teach` does; HostError or BundleError say what cannot be."""
    if arguments.folder is None and arguments.store is None:
        raise HostError("say what there is to learn from: --folder PHOTOS, or --store with labels")
    begun_s = time.monotonic()
    check_task_name(arguments.name)
    origin = Bundle.load(arguments.bundle, "host")
    bundle = Bundle.load(copies.written_into(origin, arguments.out), "host")
    examples = examples_of(bundle, arguments)
    read_s = time.monotonic() - begun_s
    question = Question.learned(bundle, examples, arguments.seed)
    write(bundle, arguments.name, question)
    for line in told(arguments.name, question, examples):
        print(line)
    print(
        f"learned in {time.monotonic() - begun_s:.1f} s, {read_s:.1f} of them to read the "
        f"examples; bundle {bundle.id.hex()} in {bundle.path} keeps its id"
    )
    if arguments.store is not None:
        for line in history(Bundle.load(bundle.path, "host"), arguments.name, arguments.store):
            print(line)
    print(f'[[node]] question = "{arguments.name}" of host.toml asks it live')


def examples_of(bundle: Bundle, arguments: argparse.Namespace) -> Examples:
    if arguments.folder is not None:
        return of_folder(bundle, arguments.folder, say)
    now_s = time.time()
    said = read_csv(arguments.csv, now_s) if arguments.csv else []
    try:
        said += [parse_said(text, now_s) for text in arguments.label]
    except ValueError as error:
        raise HostError(str(error)) from None
    return of_store(bundle, arguments.store, said, has_page=arguments.page)


def told(name: str, question: Question, examples: Examples) -> list[str]:
    """What a person reads of what was learned."""
    taught, labels = question.taught, examples.labels
    counts = np.bincount(labels, minlength=len(examples.classes))
    lines = [
        f"{name}: {len(examples.classes)} classes from {len(labels)} examples ({examples.source}), "
        f"{counts.min()} to {counts.max()} of each",
        f"{taught.accuracy:.1%} right of {len(taught.tried)} examples left out of learning, in "
        f"{len(taught.folds)} folds; {question.refused:.1%} of them taken for {NONE}",
    ]
    confusion = taught.confusion
    order = np.argsort(confusion.diagonal() / confusion.sum(1))[:SHOWN_ROWS]
    for row in order:
        wrong = confusion[row].copy()
        wrong[row] = 0
        others = [
            f"{wrong[at]} for {examples.classes[at]}" for at in np.argsort(-wrong)[:3] if wrong[at]
        ]
        n_tried = confusion[row].sum()
        taken = f", taken {', '.join(others)}" if others else ""
        lines.append(f"  {examples.classes[row]}: {confusion[row, row]} of {n_tried}{taken}")
    return lines


def history(bundle: Bundle, name: str, place: Place) -> list[str]:
    """The question asked of all that is stored."""
    begun_s = time.monotonic()
    counts: Counter[str] = Counter()
    with Store(place, must_exist=True) as store:
        for answer in redecode(store, bundle, name):
            if "error" not in answer:
                counts[NONE if answer["is_anomaly"] else str(answer["label"])] += 1
    parts = ", ".join(f"{n} {label}" for label, n in counts.most_common())
    took_s = time.monotonic() - begun_s
    return [f"asked of all {counts.total()} stored images in {took_s:.1f} s: {parts}"]


def say(sentence: str) -> None:
    print(f"teach: {sentence}", file=sys.stderr, flush=True)
