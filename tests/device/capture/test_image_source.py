"""Image sources on real files: a replay, and a video in the place of a camera."""

import itertools
import math
import os
import subprocess
import sys
from types import ModuleType

import cv2
import numpy as np
import pytest

from device.capture.image_source import n_images, open_source
from device.capture.source import SourceError
from device.capture.source_config import SourceConfig
from link.bundle.image_spec import ImageSpec
from tests.device.capture.test_folder import COLOUR_32, GREY_8, picture, take

# --- replay
# ------------------------------------------------------------------------------------------


def test_a_replay_gives_its_images_and_labels_in_their_order(home, images):
    replayed = take(open_source(SourceConfig("replay", home.folder / "replay.npz"), GREY_8))
    assert (np.array([image.pixels for image in replayed]) == images).all()
    assert [image.label for image in replayed] == ["no", "yes"] * 6


def test_labels_without_class_names_are_numbers_and_labels_may_be_missing(tmp_path, images):
    np.savez(tmp_path / "numbers.npz", images=images[:2], labels=[4, 2])
    np.savez(tmp_path / "bare.npz", images=images[:2])
    assert [
        image.label
        for image in take(open_source(SourceConfig("replay", tmp_path / "numbers.npz"), GREY_8))
    ] == [
        "4",
        "2",
    ]
    assert [
        image.label
        for image in take(open_source(SourceConfig("replay", tmp_path / "bare.npz"), GREY_8))
    ] == [
        None,
        None,
    ]


def test_a_limit_ends_the_source_and_a_loop_begins_it_again(home, images):
    path = home.folder / "replay.npz"
    assert len(take(open_source(SourceConfig("replay", path, limit=5), GREY_8))) == 5
    looped = take(open_source(SourceConfig("replay", path, limit=30, loop=True), GREY_8))
    assert (looped[25].pixels == images[25 % 12]).all()


def test_of_a_replay_others_may_say_which_image_is_wanted(home, images):
    path, wanted = home.folder / "replay.npz", iter([3, 0, 11, 12])
    source = SourceConfig("replay", path)
    shown = take(open_source(source, GREY_8, turn=lambda: next(wanted)))
    assert (np.array([image.pixels for image in shown]) == images[[3, 0, 11]]).all(), "12 ends it"
    wanted = iter([13])
    looped = open_source(SourceConfig("replay", path, loop=True), GREY_8, turn=lambda: next(wanted))
    assert (next(looped)().pixels == images[1]).all()


def test_how_many_images_a_source_gives_is_known_of_one_that_ends(home):
    path = home.folder / "replay.npz"
    assert n_images(SourceConfig("replay", path)) == 12
    assert n_images(SourceConfig("replay", path, limit=5)) == 5
    assert n_images(SourceConfig("replay", path, limit=30, loop=True)) == 30
    assert n_images(SourceConfig("v4l2")) == math.inf


def test_an_image_is_captured_when_it_is_taken_and_not_before(home):
    first, second = itertools.islice(
        open_source(SourceConfig("replay", home.folder / "replay.npz"), GREY_8), 2
    )
    assert second().captured_s <= first().captured_s


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"pictures": np.zeros((1, 8, 8, 1), np.uint8)}, r"images of shape \(0,\)"),
        (
            {"images": np.zeros((1, 8, 8, 1), np.float32)},
            r"holds float32 images of shape \(1, 8, 8, 1\)",
        ),
        (
            {"images": np.zeros((8, 8, 1), np.uint8)},
            r"images of shape \(8, 8, 1\).*uint8 \(N, H, W, C\)",
        ),
        ({"images": np.zeros((0, 8, 8, 1), np.uint8)}, "it needs at least one image"),
        (
            {"images": np.zeros((2, 8, 8, 1), np.uint8), "labels": np.zeros(3, int)},
            "holds 2 images, 3 labels and 1 classes",
        ),
        (
            {
                "images": np.zeros((1, 8, 8, 1), np.uint8),
                "labels": np.array([5]),
                "classes": np.array(["no"]),
            },
            "1 images, 1 labels and 1 classes; every image needs the number",
        ),
        ({"images": np.array([{}], dtype=object)}, "damaged"),
    ],
)
def test_a_replay_file_that_holds_something_else_is_refused(tmp_path, arrays, sentence):
    np.savez(tmp_path / "replay.npz", **arrays)
    with pytest.raises(SourceError, match=sentence):
        open_source(SourceConfig("replay", tmp_path / "replay.npz"), GREY_8)


def test_a_missing_and_a_damaged_replay_file_are_named(home):
    with pytest.raises(SourceError, match=r"replay file .*nowhere.npz does not exist"):
        open_source(SourceConfig("replay", home.folder / "nowhere.npz"), GREY_8)
    whole = (home.folder / "replay.npz").read_bytes()
    (home.folder / "replay.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=r"replay file .*replay.npz is damaged"):
        open_source(SourceConfig("replay", home.folder / "replay.npz"), GREY_8)


@pytest.mark.parametrize("name", ["pipe", "loop", "n" * 300, "replay.npz/inside"])
def test_what_is_no_replay_file_is_said_at_once(home, name):
    os.mkfifo(home.folder / "pipe")  # which is never opened: nobody writes into it
    (home.folder / "loop").symlink_to("loop")
    with pytest.raises(SourceError, match=r"replay file .* is damaged \([A-Za-z ]+\)"):
        open_source(SourceConfig("replay", home.folder / name), GREY_8)


# --- cameras
# ------------------------------------------------------------------------------------------


@pytest.fixture
def video(tmp_path):
    """Thirty images, red to the left and blue to the right, as a camera of 64 x 48 pixels would
    give them.
    """
    path = str(tmp_path / "camera.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"MJPG"), 30, (64, 48))
    image = cv2.cvtColor(np.asarray(picture(64, 48)), cv2.COLOR_RGB2BGR)
    for _ in range(30):
        writer.write(image)
    writer.release()
    return path


def test_a_camera_gives_fresh_images_in_red_green_blue(video):
    first = next(open_source(SourceConfig("v4l2", device=video), ImageSpec(48, 64, 3)))()
    assert first.pixels.shape == (48, 64, 3)
    assert first.pixels[20, 1].tolist() == pytest.approx([255, 0, 0], abs=40)
    assert first.label is None


SETTLED, N_DARK = 200, 15


def brightness(n_before: int) -> int:
    """The brightness of an image with so many before it since the camera was opened: its exposure
    takes N_DARK images.
    """
    return min(SETTLED, 10 + round(190 * n_before / N_DARK))


class DarkAtFirst:
    """In picamera2's place, which is not to be had from the package index: as much of it as the
    node calls.
    """

    def __init__(self, number: int) -> None:
        self.n = 0

    def create_video_configuration(self, **_: object) -> dict:
        return {}

    def configure(self, _: object) -> None:
        pass

    def start(self) -> None:
        self.n = 0

    def stop(self) -> None:
        pass

    def close(self) -> None:
        pass

    def capture_metadata(self) -> dict:
        self.n += 1
        return {}

    def capture_array(self, _: str) -> np.ndarray:
        self.n += 1
        return np.full((48, 64, 3), brightness(self.n - 1), np.uint8)


@pytest.mark.parametrize("kind", ["v4l2", "picamera2"])
@pytest.mark.parametrize("interval_s", [10, 60])
def test_a_camera_settles_after_every_opening(kind, interval_s, tmp_path, monkeypatch):
    module = ModuleType("picamera2")
    module.Picamera2 = DarkAtFirst  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    path = str(tmp_path / "camera.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"MJPG"), 30, (64, 48))
    for n_before in range(120):
        writer.write(np.full((48, 64, 3), brightness(n_before), np.uint8))
    writer.release()
    device = path if kind == "v4l2" else 0
    images = open_source(SourceConfig(kind, device=device, interval_s=interval_s), COLOUR_32)
    for _ in range(2):
        assert next(images)().pixels.mean() == pytest.approx(SETTLED, abs=5)


def test_a_camera_that_stops_says_so(video):
    with pytest.raises(SourceError, match="gives no image any more; plug it in again"):
        take(open_source(SourceConfig("v4l2", device=video), COLOUR_32))


def test_a_camera_that_is_not_there_is_named(tmp_path):
    with pytest.raises(
        SourceError,
        match=r"camera .*video99 cannot be opened; see what there is with: ls /dev/video\*",
    ):
        open_source(SourceConfig("v4l2", device=str(tmp_path / "video99")), COLOUR_32)


def test_without_picamera2_the_message_says_how_it_is_installed():
    pytest.importorskip("PIL")
    if (
        subprocess.run([sys.executable, "-c", "import picamera2"], capture_output=True).returncode
        == 0
    ):
        pytest.skip("picamera2 is installed here")
    with pytest.raises(SourceError, match=r"apt install python3-picamera2.*--system-site-packages"):
        open_source(SourceConfig("picamera2"), COLOUR_32)
