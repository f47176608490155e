"""What a node keeps: news, not too often, and never at the cost of sending."""

import time
from pathlib import Path

import numpy as np
import pytest

from device.capture.gate import Gate
from device.capture.source import Image
from device.collect import collector as module
from device.collect.collect_config import CollectConfig
from device.collect.collector import Collector
from link.album.kept import FOLDER, Kept, from_bytes

SYMBOLS = np.arange(-2, 3, dtype=np.int8)
BUNDLE = bytes(range(8))


def scene(seed: int) -> Image:
    """The same place, with a bright thing somewhere else for each seed."""
    pixels = np.random.default_rng(99).integers(20, 120, (32, 32, 3)).astype(np.uint8)
    y, x = np.random.default_rng(seed).integers(0, 24, 2)
    pixels[y : y + 8, x : x + 8] = 220
    return Image(pixels, 0.0)


class Node:
    """A collector, what it said, and what is on its card."""

    def __init__(self, folder: Path, min_free_bytes: int = 0, gate: Gate | None = None, **config):
        self.folder = folder / FOLDER
        self.said: list[str] = []
        settings = CollectConfig(**({"interval_s": 0.0} | config))
        self.collector = Collector(
            settings, folder, 3, BUNDLE, gate, self.said.append, min_free_bytes
        )

    def offer(self, image: Image, image_id: int, captured_s: float, unix_s=None) -> None:
        self.collector.offer(image, SYMBOLS, image_id, captured_s, unix_s)
        while not self.collector._waiting.empty():  # as a camera leaves it time
            time.sleep(0.001)

    def kept(self) -> list[Kept]:
        self.collector.close()
        return [from_bytes(path.read_bytes()) for path in sorted(self.folder.iterdir())]


def test_a_picture_comes_with_all_that_is_known_of_it(tmp_path):
    node = Node(tmp_path)
    node.offer(scene(0), 17, 5.0, unix_s=1.8e9)
    [one] = node.kept()
    assert (one.node, one.image, one.bundle) == (3, 17, BUNDLE.hex())
    assert (one.captured_s, one.unix_s) == (5.0, 1.8e9)
    assert np.array_equal(one.symbols, SYMBOLS)


def test_only_what_is_new_is_kept(tmp_path):
    node = Node(tmp_path, gate=Gate())
    for image in range(12):
        node.offer(scene(image // 4), image, float(image))
    assert [one.image for one in node.kept()] == [0, 4, 8]


def test_not_more_often_than_the_interval(tmp_path):
    node = Node(tmp_path, interval_s=10.0)
    for image in range(8):
        node.offer(scene(image), image, 4.0 * image)
    assert [one.image for one in node.kept()] == [0, 3, 6]


def test_it_is_the_camera_s_picture_where_there_is_one(tmp_path):
    node = Node(tmp_path, size=150)
    large = np.repeat(np.repeat(scene(0).pixels, 10, 0), 20, 1)
    node.offer(Image(scene(0).pixels, 0.0, picture=lambda _: large), 1, 0.0)
    [one] = node.kept()
    assert one.ending == ".jpg"
    assert len(one.picture) < large.nbytes / 20


def test_a_full_disk_is_said_once_and_stops_nothing_else(tmp_path):
    node = Node(tmp_path, min_free_bytes=1 << 60)
    for start in range(3):
        node.collector._rest_until_s = -1.0  # an hour later
        node.offer(scene(start), start, float(start))
    node.collector.close()
    [sentence] = node.said
    assert sentence.startswith(f"no pictures are kept in {node.folder} (less than")
    assert "Images are sent as before" in sentence


def test_when_there_is_room_again_it_goes_on_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "GATHERED_BYTES", 1)
    monkeypatch.setattr(module, "REST_S", 0.0)
    node = Node(tmp_path)
    (tmp_path / FOLDER).write_text("in its way")
    node.offer(scene(0), 0, 0.0)
    while not node.said:
        time.sleep(0.001)
    (tmp_path / FOLDER).unlink()
    node.offer(scene(1), 1, 1.0)
    assert [one.image for one in node.kept()] == [1]
    assert node.said[1:] == ["pictures are kept again"]


def test_what_a_library_raises_ends_collecting_and_not_the_node(tmp_path, monkeypatch):
    def broken(*_):
        raise RuntimeError("codec not found")

    monkeypatch.setattr(module, "picture_file", broken)
    node = Node(tmp_path)
    for image in range(3):
        node.offer(scene(image), image, float(image))
        node.collector._thread.join(1.0)
    assert node.said == ["no more pictures are kept (codec not found); images are sent as before"]


def test_a_card_that_hangs_keeps_neither_images_nor_the_end_waiting(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CLOSE_S", 0.05)
    monkeypatch.setattr(module, "picture_file", lambda *_: time.sleep(2.0))
    node = Node(tmp_path)
    began_s = time.monotonic()
    for image in range(20):
        node.collector.offer(scene(image), SYMBOLS, image, float(image), None)
    node.collector.close()
    assert time.monotonic() < began_s + 1.0


@pytest.mark.parametrize("gathered_s", [0.0])
def test_what_was_gathered_is_written_in_time(tmp_path, monkeypatch, gathered_s):
    monkeypatch.setattr(module, "GATHERED_S", gathered_s)
    node = Node(tmp_path)
    node.offer(scene(0), 0, 0.0)
    until_s = time.monotonic() + 5.0
    while not (node.folder.is_dir() and list(node.folder.glob("*.png"))):
        assert time.monotonic() < until_s
        time.sleep(0.01)
    node.collector.close()


def test_what_was_gathered_is_written_at_once(tmp_path):
    node = Node(tmp_path)
    node.offer(scene(0), 0, 0.0)
    node.offer(scene(1), 1, 1.0)
    assert not node.folder.exists()
    assert len(node.kept()) == 2
