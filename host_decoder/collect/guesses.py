"""Guesses: what the bundle that made the symbols takes pictures for, where this host has it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from host_decoder.collect.gathered import Gathered
from host_decoder.decode.classifier import Classifier
from host_decoder.errors import ConfigError
from link.bundle import Bundle, BundleError
from link.settings import host_folder

MAJORITY = 0.6
"A cluster is called as so large a part of it is taken for."
NO_NAME = re.compile(r"[^\w .+()&-]")
"What a class may be called and a folder had better not."


def guesses(pictures: Sequence[Gathered], bundles: Iterable[Path]) -> list[str]:
    """A label for each picture; nothing where no bundle of these made its symbols, or it cannot be
    used.
    """
    found = [""] * len(pictures)
    ids = {one.bundle for one in pictures}
    for path in bundles:
        try:
            bundle = Bundle.load(path, side="host")
            if bundle.id.hex() not in ids:
                continue
            places = [
                place
                for place, one in enumerate(pictures)
                if one.bundle == bundle.id.hex() and len(one.symbols) == bundle.n_latents
            ]
            symbols = np.array([pictures[place].symbols for place in places])
            likely = Classifier.of(bundle)(symbols).argmax(axis=1) if places else []
        except BundleError:
            continue
        for place, number in zip(places, likely, strict=True):
            found[place] = bundle.classes[number]
    return found


def majority(labels: Sequence[str]) -> str:
    """What most of them are, as a folder may be called; nothing where they differ."""
    names, counts = np.unique(np.array(labels, object).astype(str), return_counts=True)
    if not len(names) or counts.max() < MAJORITY * len(labels):
        return ""
    name = NO_NAME.sub("_", str(names[counts.argmax()])).strip(" .")
    return name[:60]


def known_bundles(folder: Path) -> list[Path]:
    """The bundles of every node that a host folder knows; what cannot be read there is left out."""
    host = host_folder.host_toml(folder)
    try:
        toml = host_folder.read_host_toml(host, ConfigError, {}) if host.is_file() else {}
        tables, _ = host_folder.all_nodes(host, toml.get("node", []), ConfigError, faults=[])
    except ConfigError:
        return []
    found = []
    for _, table in tables:
        named = table.get("bundle", []) if isinstance(table, Mapping) else []
        for name in [named] if isinstance(named, str) else named:
            if isinstance(name, str):
                found.append(host.parent / name)
    return list(dict.fromkeys(found))
