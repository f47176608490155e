"""A source that hangs, fails or is away keeps nothing else from going on, and host and person are
told.
"""

import json
import signal
import socket
import sys
import threading
import time

import numpy as np
import pytest

from device.capture.capturing import HANGS_AFTER_S, LONGEST_PAUSE_S, STUCK_AFTER_S, Capturing
from device.capture.image_source import open_source
from device.capture.source import Image, SourceAwayError, SourceError
from device.capture.source_config import SourceConfig
from device.outbox.outbox import open_outbox
from link.bundle.image_spec import ImageSpec
from link.picture.reader import UnreadableImageError
from tests.device.test_node import node
from tests.worlds.cameras import Habit
from tests.worlds.far_host import FarHost
from tests.worlds.virtual_node import VirtualNode

CAMERA = 'kind = "v4l2"'
REPLAY = 'kind = "replay"\npath = "replay.npz"'


@pytest.fixture
def habit(tmp_path, monkeypatch):
    """The habit of the camera that cv2 has in this process."""
    habit = Habit(tmp_path, "well")
    monkeypatch.setitem(sys.modules, "cv2", habit.make_cv2())
    return habit


def camera_config(home, port="/dev/ttyNOWHERE", source="interval_s = 2", link=""):
    path = home.config(port, source=source, link=link)
    path.write_text(path.read_text().replace(REPLAY, CAMERA))
    return path


# --- a camera
# ------------------------------------------------------------------------------------------


def camera(habit, interval_s=1):
    return open_source(SourceConfig("v4l2", interval_s=interval_s), ImageSpec(8, 8, 1))


def test_an_image_that_fails_once_is_asked_for_again(habit):
    habit.becomes("every 3")
    source = camera(habit)
    vars(sys.modules["cv2"])["n_reads"] = 3  # the next fails, and the one behind it does not
    assert next(source)().pixels.shape == (8, 8, 1)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("silent", r'camera 0 opens and gives no image: .* kind = "picamera2"'),
        ("broken", r"camera 0 .*VIDIOC_DQBUF: No such device"),
        ("strange", r"an image is float32 of shape \(0, 5\), it must be uint8 \(H, W, 3\)"),
    ],
)
def test_whatever_a_camera_does_instead_of_an_image_is_a_sentence_and_it_can_be_asked_again(
    habit, words, sentence
):
    source = camera(habit)
    habit.becomes(words)
    with pytest.raises(SourceAwayError, match=sentence):
        next(source)()
    habit.becomes("well")
    assert next(source)().pixels.shape == (8, 8, 1)
    habit.becomes(words)
    with pytest.raises(SourceAwayError, match="gives no image any more; plug it in again"):
        next(source)()


def test_a_camera_that_cannot_be_opened_may_be_there_later(habit):
    habit.becomes("absent")
    with pytest.raises(SourceAwayError, match="camera 0 cannot be opened; see what there is with"):
        camera(habit)


# --- beside the loop
# ------------------------------------------------------------------------------------------


def image():
    return Image(np.zeros((8, 8, 1), np.uint8), time.monotonic())


def outcome(capturing, now_s):
    """What comes of an image that is wanted now."""
    capturing.ask(now_s)
    while (found := capturing.take(now_s)) is None:
        pass
    return found


def opening(*steps):
    """Opens sources whose captures do one thing each; what is an exception is raised, by the source
    itself where first.
    """
    left = list(steps)

    def open_one(limit):
        while left:
            step = left.pop(0)
            if isinstance(step, Exception):

                def capture(step=step):
                    raise step

                yield capture
            else:
                yield step

    return open_one


def test_a_source_that_is_away_is_tried_again_after_pauses_that_grow_and_is_told_of_as_a_fault():
    away = SourceAwayError("camera 0 is gone")
    capturing = Capturing(opening(*[away] * 9, image), None)
    now_s, pauses_s, faults = 0.0, [], []
    for _ in range(9):
        assert outcome(capturing, now_s) is away
        faults.append(capturing.fault(now_s))
        pauses_s.append(capturing.due_s - now_s)
        now_s = capturing.due_s
    assert pauses_s == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    assert faults == [None, None, *["camera 0 is gone"] * 7]
    assert not capturing.is_stuck(now_s)
    assert capturing.is_stuck(STUCK_AFTER_S)
    assert isinstance(outcome(capturing, now_s), Image)
    assert capturing.fault(now_s) is None
    assert not capturing.is_stuck(2 * STUCK_AFTER_S)


def test_a_capture_that_does_not_return_is_a_fault_until_it_does():
    answer = threading.Event()

    def hangs():
        answer.wait()
        return image()

    capturing = Capturing(opening(hangs), None)
    capturing.ask(0.0)
    assert capturing.take(0.0) is None
    assert capturing.fault(HANGS_AFTER_S - 1) is None
    assert "has not answered for 25 s" in (capturing.fault(HANGS_AFTER_S) or "")
    assert capturing.is_stuck(HANGS_AFTER_S)
    answer.set()
    while (found := capturing.take(HANGS_AFTER_S + 1)) is None:
        time.sleep(0.01)
    assert isinstance(found, Image)
    assert capturing.fault(HANGS_AFTER_S + 1) is None


def test_what_cannot_be_read_is_told_and_the_source_goes_on_and_its_end_is_its_end():
    unreadable = UnreadableImageError("a.png cannot be read")
    capturing = Capturing(opening(image, unreadable, image), None)
    found = [outcome(capturing, 0.0) for _ in range(4)]
    assert [type(one) for one in found] == [Image, UnreadableImageError, Image, str]
    assert capturing.is_over


def test_a_source_that_will_never_give_any_is_raised():
    capturing = Capturing(opening(SourceError("no such file")), None)
    with pytest.raises(SourceError, match="no such file"):
        outcome(capturing, 0.0)


# --- the node, on a virtual clock
# -------------------------------------------------------------------------------------


def test_a_camera_that_fails_one_read_in_ten_and_a_host_that_is_away_for_ten_minutes_lose_no_image(
    monkeypatch, home, habit
):
    """The figure: every image that was captured arrives, and as many are captured as the interval
    has room for.
    """
    habit.becomes("every 10")
    away_s, interval_s, total_s = 600.0, 2, 720.0
    world = VirtualNode(
        monkeypatch,
        home,
        camera_config(home, source=f"interval_s = {interval_s}"),
        is_host_there=lambda now_s: not 1010 < now_s < 1010 + away_s,
    )
    world.run(total_s)
    captured, arrived = set(world.console.images), set(world.updates)
    waiting = captured - arrived
    assert len(waiting) <= 2, "only what was captured in the last moment is on its way"
    assert world.n_waiting >= len(waiting), "and it is in the outbox"
    assert len(captured) >= 0.9 * total_s / interval_s


def test_a_camera_that_is_away_is_told_to_the_host_and_so_is_its_return(monkeypatch, home, habit):
    habit.becomes("absent")
    world = VirtualNode(monkeypatch, home, camera_config(home))
    world.at(60.0, lambda: habit.becomes("well"))
    world.run(200.0)
    faults = [status.fault for status in world.statuses]
    assert faults[0].startswith("camera 0 cannot be opened")
    assert faults[-1] is None
    assert len(world.updates) >= 20
    assert [sentence.split(";")[0] for sentence in world.console.notices] == [
        "camera 0 cannot be opened",
        "camera 0 cannot be opened",
        "images come again",
    ]
    assert world.fed_s[-1] > 1190


def test_a_camera_that_hangs_stops_neither_what_is_sent_nor_does_it_feed_the_watchdog_for_ever(
    monkeypatch, home, habit
):
    world = VirtualNode(
        monkeypatch, home, camera_config(home), is_host_there=lambda now_s: now_s > 1100
    )
    world.at(20.0, lambda: habit.becomes("hangs"))
    world.run(200.0)
    assert len(world.updates) == len(world.console.images) >= 8, "all that was captured is sent"
    assert world.statuses[-1].fault.startswith("the source of images hangs")
    assert 1020 + HANGS_AFTER_S - 3 <= world.fed_s[-1] <= 1020 + HANGS_AFTER_S + 5


# --- the node, as a process
# ------------------------------------------------------------------------------------------


@pytest.fixture
def camera_node(home, tmp_path, monkeypatch):
    """Starts a node whose camera has this habit."""

    def start(habit, port, **settings):
        folder = habit.write_cv2(tmp_path / "lib")
        monkeypatch.setenv("PYTHONPATH", f"{folder}:.")
        return node(camera_config(home, port, **settings))

    return start


def test_a_camera_that_appears_after_the_node_and_a_queue_from_before(
    home, port, tmp_path, camera_node
):
    path, far = port
    with open_outbox(home.folder / "keys" / f"outbox-{home.bundle.id.hex()}.sqlite") as outbox:
        outbox.put(7, [b"abc"], None)
    habit = Habit(tmp_path, "absent")
    with FarHost(home, far) as host, camera_node(habit, path, source="interval_s = 0.1") as process:
        host.wait_for(1, timeout_s=20)
        habit.becomes("well")
        host.wait_for(4, timeout_s=20)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert "camera 0 cannot be opened" in err
    assert host.complete[0].chunk.bitstream == b"abc"


def test_a_node_whose_camera_hangs_goes_on_sending_and_ends_within_a_second(
    home, port, tmp_path, camera_node, monkeypatch
):
    path, far = port
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with open_outbox(home.folder / "keys" / f"outbox-{home.bundle.id.hex()}.sqlite") as outbox:
        for image_id in range(5):
            outbox.put(image_id, [b"abc"], None)
    with FarHost(home, far) as host, camera_node(Habit(tmp_path, "hangs"), path) as process:
        host.wait_for(5, timeout_s=20)
        process.send_signal(signal.SIGTERM)
        told_s = time.monotonic()
        process.communicate(timeout=20)
    # a second, and the end of an interpreter on a busy machine
    assert time.monotonic() - told_s < 1.5
    assert process.returncode == 0
    manager.close()


def test_limit_counts_images_and_not_what_cannot_be_read(home, port):
    from PIL import Image as PillowImage

    folder = home.folder / "pictures"
    folder.mkdir()
    for name in "abcd":
        PillowImage.new("RGB", (30, 20), (90, 90, 90)).save(folder / f"{name}.png")
    (folder / "b.png").write_bytes(b"no picture")
    config = home.config(port[0], source="limit = 3", link="downlink = false")
    config.write_text(config.read_text().replace(REPLAY, 'kind = "folder"\npath = "pictures"'))
    with node(config) as process:
        out, err = process.communicate(timeout=60)
    assert json.loads(out.splitlines()[-1]) == {"event": "done", "images": 3}
    assert [line for line in err.splitlines() if "b.png" in line and line.startswith("device: ")]
    assert "UserWarning" not in err
