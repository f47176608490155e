"""A folder of images that grows, that a node left half-way, or of which nothing can be read."""

import json
import signal

import pytest
from PIL import Image as PillowImage

from device.capture.image_source import open_source
from device.capture.place import PLACE_FILE, Place
from device.capture.source import SourceAwayError
from device.capture.source_config import SourceConfig
from link.bundle.image_spec import ImageSpec
from tests.device.test_node import node

SPEC = ImageSpec(8, 8, 1)


def draw(folder, *names):
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.new("L", (20, 20), 10 * number + 10).save(path)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "pictures"
    draw(folder, "a.png", "b/a.png", "c.png")
    return folder


def names(source, n=None):
    """Brightness of what the source gives, which tells its images apart."""
    found = []
    for capture in source:
        found.append(int(capture().pixels.mean()))
        if len(found) == n:
            break
    return found


def test_a_node_that_is_started_again_goes_on_behind_the_image_taken_last(folder, tmp_path):
    config = SourceConfig("folder", folder)
    assert names(open_source(config, SPEC, tmp_path), 2) == [10, 20]
    assert names(open_source(config, SPEC, tmp_path)) == [30]
    assert names(open_source(config, SPEC, tmp_path)) == [10, 20, 30], (
        "it came to its end, and begins anew"
    )


def test_one_that_ends_by_its_limit_begins_anew_too(folder, tmp_path):
    config = SourceConfig("folder", folder, limit=2)
    assert names(open_source(config, SPEC, tmp_path)) == [10, 20]
    assert names(open_source(config, SPEC, tmp_path)) == [10, 20]


def test_images_that_come_meanwhile_are_taken_too(folder):
    source = open_source(SourceConfig("folder", folder), SPEC)
    assert names(source, 2) == [10, 20]
    draw(folder, "aa.png", "z.png")
    assert names(source) == [30, 10, 20]


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"folder": 1}', "\x00", "[" * 100_000, '{"folder": "elsewhere", "last": "c.png"}'],
)
def test_a_place_that_cannot_be_read_or_is_of_another_folder_is_no_place(folder, tmp_path, content):
    (tmp_path / PLACE_FILE).write_text(content)
    assert Place(folder, tmp_path).last is None


def test_a_folder_of_which_nothing_can_be_read_is_away_and_not_asked_without_end(folder):
    for path in folder.rglob("*.png"):
        path.write_bytes(b"no picture")
    source = open_source(SourceConfig("folder", folder, loop=True), SPEC)
    for _ in range(2):
        with pytest.raises(ValueError, match="cannot be read"):
            next(source)()
    with pytest.raises(SourceAwayError, match="none of the 3 images in"):
        next(source)()


def test_a_killed_node_goes_on_where_it_was(home, port, folder):
    config = home.config(port[0], source="interval_s = 0.2\nloop = true", link="downlink = false")
    config.write_text(
        config.read_text().replace(
            'kind = "replay"\npath = "replay.npz"', f'kind = "folder"\npath = "{folder}"'
        )
    )
    labels = []
    for n in (2, 2):
        with node(config) as process:
            for line in map(json.loads, process.stdout):
                if line["event"] == "image":
                    labels.append(line["label"])
                    n -= 1
                if n == 0:
                    break
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert labels == [None, "b", None, None], "a, b/a, c, and a again"
