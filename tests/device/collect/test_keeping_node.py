"""A node process that keeps pictures: they are those whose symbols it sent, whatever ends it, and
it sends as before.
"""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from device.encoder.loading import load
from link.album.kept import FOLDER, Kept, from_bytes
from link.picture import fit, read_picture
from tests.device.test_node import finish, node
from tests.worlds.ends import latent_of
from tests.worlds.far_host import FarHost

N_PHOTOS = 12


@pytest.fixture
def seeing(home):
    """node.toml of a node that looks at a folder of photos, some larger than are kept."""
    photos = home.folder / "photos"
    photos.mkdir()
    for number in range(N_PHOTOS):
        size = (160, 120) if number % 2 else (640, 480)
        noise = np.random.default_rng(number).integers(0, 256, (6, 8, 3)).astype(np.uint8)
        Image.fromarray(noise).resize(size).save(photos / f"{number:02d}.jpg")

    def make(
        port: str,
        collect: str = "[collect]\nsize = 200\ninterval_s = 0\ngate = false\n",
        source: str = "",
    ):
        path = home.config(port, source=source)
        text = path.read_text().replace('"replay"', '"folder"').replace("replay.npz", "photos")
        path.write_text(text + collect)
        return path

    return make


def kept_in(home) -> list[Kept]:
    folder = home.folder / "keys" / FOLDER
    return [from_bytes(path.read_bytes()) for path in sorted(folder.iterdir())]


def test_pictures_come_with_the_symbols_that_were_sent(home, port, seeing, tmp_path):
    """They give these again: what is trained on them is what the node sees."""
    with (
        FarHost(home, port[1]) as host,
        node(seeing(port[0], source="interval_s = 0.1")) as process,
    ):
        said = finish(process)
    sent = {update.image: latent_of(update).symbols for update in host.complete}
    kept, loaded, sizes = kept_in(home), load(home.bundle.path, None), set()
    assert len(sent) == len(kept) == N_PHOTOS
    for one in kept:
        assert np.array_equal(one.symbols, sent[one.image])
        assert one.bundle == home.bundle.id.hex()
        (tmp_path / "one").write_bytes(one.picture)
        pixels = read_picture(tmp_path / "one")
        sizes.add(pixels.shape)
        again = loaded.encode(fit(pixels, home.bundle.image.shape)).symbols
        assert abs(again.astype(int) - one.symbols).mean() < 4
    assert sizes == {(120, 160, 3), (200, 267, 3)}
    [sentence] = [line["sentence"] for line in said["notice"]]
    assert sentence.startswith(f"pictures of what this node sees are kept in {home.folder}")


def test_a_card_that_takes_no_pictures_stops_no_image(home, port, seeing):
    (home.folder / "keys" / FOLDER).write_text("in the way")
    with FarHost(home, port[1]) as host, node(seeing(port[0])) as process:
        said = finish(process)
    assert len(host.complete) == N_PHOTOS
    [_, sentence] = [line["sentence"] for line in said["notice"]]
    assert sentence.startswith("no pictures are kept in ")
    assert "Images are sent as before" in sentence


def test_a_node_that_is_told_to_end_loses_none(home, port, seeing):
    with (
        FarHost(home, port[1]) as host,
        node(seeing(port[0], source="loop = true\ninterval_s = 0.2")) as process,
    ):
        host.wait_for(5)
        process.send_signal(signal.SIGTERM)
        said = finish(process)
    kept = {one.image for one in kept_in(home)}
    assert {line["image"] for line in said["image"]} - kept <= {said["image"][-1]["image"]}


KEEPER = """
import itertools, sys
import numpy as np
from pathlib import Path
from device.collect.ring import Ring
from link.album import Kept
from link.picture import writer
ring = Ring(Path(sys.argv[1]), 100_000, 0)
draw = np.random.default_rng(int(sys.argv[2]))
print(flush=True)
for image in itertools.count():
    picture = writer.to_png(draw.integers(0, 256, (40, 60, 3)).astype(np.uint8))
    ring.put(Kept(picture=picture, symbols=np.zeros(4, np.int8), bundle="00", node=1, image=image,
                  boot="b", captured_s=1.0))
"""


def test_kills_at_any_moment_leave_whole_pictures_within_the_bytes(tmp_path):
    folder, n_before = tmp_path / "ring", -1
    for seed in range(6):
        command = [sys.executable, "-c", KEEPER, str(folder), str(seed)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.02 + 0.013 * seed)
        process.kill()
        process.communicate()
        paths = sorted(folder.glob("*.png"))
        newest = int(paths[-1].name[:8])
        assert newest > n_before
        n_before = newest
        assert sum(path.stat().st_size for path in folder.iterdir()) <= 100_000
        for path in paths:
            from_bytes(path.read_bytes())
