"""Labelled: which stored images show what, as a person says it.

open=1:40-80                              images 40 to 80 of node 1; 1:40 is one of them
open=2026-11-30T08:00..2026-11-30T09:00   all that were taken then
labels.csv                                a line each: node,image,label or from,to,label
labels given on the page                  are in the store already
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from host_decoder.errors import HostError
from host_decoder.store.database.settings import Place
from host_decoder.store.history.images import StoredImage
from host_decoder.store.history.reading import Reading
from host_decoder.store.history.redecode import BATCH_IMAGES
from host_decoder.store.store import Store
from host_decoder.teach.examples import Examples
from host_decoder.view.moment import parse_moment
from link.bundle import Bundle
from link.coder import decode_bulk

IMAGES = re.compile(r"(\d+):(\d+)(?:-(\d+))?")
BETWEEN = ".."
COLUMNS = ({"node", "image", "label"}, {"from", "to", "label"})
MAX_CSV_LINES = 1_000_000


@dataclass(frozen=True)
class Said:
    """One thing that a person says: these images show that."""

    label: str
    node: int | None = None
    "None: of any node."
    first: int = 0
    last: int = 1 << 62
    "Images, both among them."
    since_s: float = float("-inf")
    until_s: float = float("inf")
    "When they were taken, Unix time; where nobody knows, when they came."

    def holds(self, image: StoredImage) -> bool:
        taken_s = image.received_s if image.captured_s is None else image.captured_s
        return (
            self.node in (None, image.node)
            and self.first <= image.image <= self.last
            and self.since_s <= taken_s <= self.until_s
        )


def parse_said(text: str, now_s: float) -> Said:
    """As it is typed; ValueError with a sentence where it says nothing."""
    label, is_said, what = text.partition("=")
    if not (is_said and label):
        raise ValueError(f"{text!r} does not say what it shows; write LABEL=NODE:FIRST-LAST")
    if found := IMAGES.fullmatch(what):
        node, first, last = found.groups()
        return Said(label, int(node), int(first), int(last or first))
    since, is_between, until = what.partition(BETWEEN)
    if is_between:
        return Said(label, since_s=parse_moment(since, now_s), until_s=parse_moment(until, now_s))
    raise ValueError(
        f"{what!r} names no images; write NODE:IMAGE, NODE:FIRST-LAST or FROM{BETWEEN}TO"
    )


def read_csv(path: Path, now_s: float) -> list[Said]:
    """What a file with a heading says; HostError names the line that cannot be."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.DictReader(file)
            columns = {name.strip().lower() for name in lines.fieldnames or ()}
            if not any(wanted <= columns for wanted in COLUMNS):
                raise HostError(
                    f"{path} begins with {', '.join(sorted(columns)) or 'nothing'}; its heading is "
                    "node,image,label or from,to,label"
                )
            return [
                _said_in({str(name).strip().lower(): text for name, text in line.items()}, now_s)
                for line in islice(lines, MAX_CSV_LINES)
            ]
    except OSError as error:
        raise HostError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, csv.Error) as error:
        raise HostError(f"{path}, line {lines.line_num}: {error}") from None


def _said_in(line: dict[str, str], now_s: float) -> Said:
    label = line["label"].strip()
    if not label:
        raise ValueError("it has no label")
    node = int(line["node"]) if line.get("node") else None
    if line.get("image"):
        if node is None:
            raise ValueError("an image is one of a node's, and it names none")
        return Said(label, node, int(line["image"]), int(line["image"]))
    return Said(
        label,
        node,
        since_s=parse_moment(line["from"], now_s),
        until_s=parse_moment(line["to"], now_s),
    )


def of_store(bundle: Bundle, place: Place, said: list[Said], has_page: bool) -> Examples:
    """The stored images of the bundle that were labelled; of what is said twice the last counts.
    `has_page`: also by labels that were given on the page.
    """
    by_hand = {}
    if has_page:
        with Reading(place) as reading:
            by_hand = reading.hand_labels()
    exact = {
        (one.node, one.first): one.label
        for one in said
        if one.node is not None and one.first == one.last
    }
    ranges = [one for one in said if one.node is None or one.first != one.last]

    def label_of(image: StoredImage) -> str | None:
        found = [one.label for one in ranges if one.holds(image)]
        last = exact.get((image.node, image.image), found[-1] if found else None)
        return by_hand.get((image.sender, image.image), last)

    symbols, names = [], []
    with Store(place, must_exist=True) as store:
        images = store.images(bundle.id.hex())
        labelled = ((one, label) for one in images if (label := label_of(one)) is not None)
        for part, labels in _parts(labelled):
            latents = decode_bulk(
                [one.bitstream for one in part], bundle.tables, [one.is_complete for one in part]
            )
            symbols.append(latents.symbols[latents.is_valid])
            names += [
                label for label, is_valid in zip(labels, latents.is_valid, strict=True) if is_valid
            ]
    if not names:
        raise HostError(f"none of the images of bundle {bundle.id.hex()} in {place} has a label")
    return Examples.of(np.concatenate(symbols), names, "stored images")


def _parts(
    labelled: Iterator[tuple[StoredImage, str]],
) -> Iterator[tuple[list[StoredImage], list[str]]]:
    while batch := list(islice(labelled, BATCH_IMAGES)):
        images, labels = zip(*batch, strict=True)
        yield list(images), list(labels)
