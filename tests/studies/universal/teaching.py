"""Teaching: how long `latentlink teach` takes, as a person types it: 20 classes of 50 photos from a
folder, the same from a store; and how long the question takes that is asked of all that is stored.
"""

import csv
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from host_decoder.config import KnownNode
from host_decoder.receive.host import Host
from host_decoder.store.store import Store
from host_decoder.teach.examples import of_folder
from link.bundle.bundle import Bundle
from tests.worlds.small_host import KEY, NODE, SmallNode

N_CLASSES, N_EACH = 20, 50
N_ASKED = 100_000
"Stored images."


def times(bundle: Path, photos: Path) -> dict[str, float]:
    """Processor seconds of whole commands, their start counted."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, store = Path(scratch) / "photos", Path(scratch) / "host.sqlite"
        copy_photos(photos, folder)
        shutil.copytree(bundle, Path(scratch) / "bundle")
        words = ["--bundle", f"{scratch}/bundle", "--name", "photos"]
        folder_s = processor_s("teach", *words, "--folder", f"{folder}")
        own = Bundle.load(Path(scratch) / "bundle", "host")
        labels = fill(own, folder, store)
        table = Path(scratch) / "labels.csv"
        with table.open("w", newline="") as file:
            csv.writer(file).writerows([("node", "image", "label"), *labels])
        store_s = processor_s("teach", *words, "--store", f"{store}", "--csv", f"{table}")
        multiply(store, N_ASKED // len(labels))
        bundle_words = ["--bundle", f"{own.path}", "--task", "photos"]
        asked_s = processor_s("decode", f"{store}", *bundle_words)
    return {"teach_folder_s": folder_s, "teach_store_s": store_s, "ask_100000_s": asked_s}


def copy_photos(photos: Path, folder: Path) -> None:
    for place in sorted(one for one in photos.iterdir() if one.is_dir())[:N_CLASSES]:
        (folder / place.name).mkdir(parents=True)
        for path in sorted(place.iterdir())[:N_EACH]:
            shutil.copyfile(path, folder / place.name / path.name)


def fill(bundle: Bundle, folder: Path, path: Path) -> list[tuple[int, int, str]]:
    """A store that heard a node send these photos; node, image and label of each."""
    examples = of_folder(bundle, folder, print)
    with Store(path) as store:
        host = Host([KnownNode(NODE, KEY, bundle)], store, [])
        node = SmallNode(bundle)
        for number, symbols in enumerate(examples.symbols):
            for packet in node.packets(symbols.astype(int)):
                host.receive(packet, now_s=float(number))
        host.close()
        images = [image.image for image in store.images(bundle.id.hex())]
    names = [examples.classes[label] for label in examples.labels]
    return [(NODE, image, name) for image, name in zip(images, names, strict=True)]


def multiply(store: Path, times: int) -> None:
    """What a store holds of images, so many times, the copies under further ids."""
    with closing(sqlite3.connect(store)) as database, database:
        [[span]] = database.execute("SELECT max(image) + 1 FROM chunks")
        for table in ("chunks", "results"):
            names = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            moved = ", ".join("image + ?" if name == "image" else name for name in names)
            for copy in range(1, times):
                database.execute(
                    f"INSERT INTO {table} SELECT {moved} FROM {table} WHERE image < ?",
                    (copy * span, span),
                )


def processor_s(*words: str) -> float:
    """What a command took of the processor."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "host_decoder", *words],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
