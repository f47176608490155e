"""What a node leaves undone to save power: real node processes on a port."""

import json
import os
import signal
import time

import numpy as np

from device.capture.camera import N_SETTLING_IMAGES, N_STALE_IMAGES
from device.capture.image_source import REST_S, open_source
from device.capture.source_config import SourceConfig
from link.bundle.image_spec import ImageSpec
from tests.device.test_node import finish, node
from tests.scale import size
from tests.worlds.far_host import FarHost


def test_only_what_shows_something_new_is_sent(home, port):
    draw = np.random.default_rng(0)
    scene = draw.uniform(60, 200, (8, 8, 1))
    changed = scene.copy()
    changed[2:4, 3:6] = 250
    scenes = [scene] * 8 + [changed] * 8 + [scene] * 4
    images = [
        np.clip(one + draw.normal(0, 2, one.shape), 0, 255).astype(np.uint8) for one in scenes
    ]
    np.savez(home.folder / "replay.npz", images=np.stack(images))
    with (
        FarHost(home, port[1]) as host,
        node(home.config(port[0], source="gate = true\ninterval_s = 0.05")) as process,
    ):
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    events = [json.loads(line) for line in out.splitlines()]
    kinds = [event["event"] for event in events if event["event"] in ("image", "unchanged")]
    assert [n for n, kind in enumerate(kinds) if kind == "image"] == [0, 8, 16]
    assert [event["images"] for event in events if event["event"] == "unchanged"][:8] == [
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        1,
    ]
    assert len(host.complete) == 3


def test_outside_its_hours_a_node_captures_nothing_once_it_knows_the_time(home, port):
    now = time.gmtime(time.time() + 7200)
    hours = f'hours = "{now.tm_hour:02d}:00-{(now.tm_hour + 1) % 24:02d}:00"'
    config = home.config(
        port[0], source=f"loop = true\ninterval_s = 0.05\n{hours}", link="wants_time = true"
    )
    with FarHost(home, port[1]) as host, node(config) as process:
        host._receiver.unix_offset_s = time.time() - time.monotonic()
        for line in map(json.loads, process.stdout):
            if "the host's clock says" in line.get("sentence", ""):
                break
        time.sleep(3)
        process.send_signal(signal.SIGTERM)
        said = finish(process)
    assert len(said["image"]) <= 1  # one that was due in that very moment


def test_a_node_that_waits_for_its_next_capture_hardly_computes(home, port):
    with FarHost(home, port[1]), node(home.config(port[0], source="interval_s = 600")) as process:
        for line in map(json.loads, process.stdout):
            if line["event"] == "heard":
                break
        before_s, waited_s = cpu_s(process.pid), size(4, 10)
        time.sleep(waited_s)
        assert cpu_s(process.pid) - before_s <= 0.01 * waited_s


def cpu_s(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_between_rare_captures_the_camera_is_closed(tmp_path):
    """A video file stands for the camera: opened anew it begins anew, where one that stays open
    goes on.
    """
    import cv2

    path = str(tmp_path / "camera.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for n in range(60):
        writer.write(np.full((48, 64, 3), 4 * n, np.uint8))
    writer.release()

    def shown(interval_s: float, n_images: int) -> list[int]:
        captures = open_source(
            SourceConfig("v4l2", device=path, interval_s=interval_s), ImageSpec(48, 64, 3)
        )
        return [round(float(next(captures)().pixels.mean()) / 4) for _ in range(n_images)]

    first, stale = N_SETTLING_IMAGES, N_STALE_IMAGES
    assert shown(REST_S - 1, 3) == [first, first + stale + 1, first + 2 * (stale + 1)]
    assert shown(REST_S, 3) == [first, first, first]
