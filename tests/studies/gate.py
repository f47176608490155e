"""Gate: the scene-change gate on sequences whose every change is known; writes results/gate.json.

A sequence is made by its seed from CIFAR-10's test images: one of them, four times as large, is the
scene, and cut-outs of others come and go in it as objects. A camera looks at it with shot and read
noise, a lens that shakes by a fraction of a pixel, light that drifts over the day, slopes across
the image and is dimmed by clouds; then the image has the encoder's 32 x 32. The scene is the same
for a while (5 to 60 images), then an object comes, moves or goes.

    false send      an image sent though the scene is as it was when the last one was sent
    missed change   a scene of which no image was sent while it lasted

The threshold was chosen on seeds 0 to 9; the figures are of seeds 100 to 119. The rival is the mean
absolute difference to the last image sent, as camera traps and motion detectors take it, with the
threshold that misses as few changes.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from device.capture.gate import THRESHOLD, Gate
from host_training.data.catalogue import load
from link.output.results import write_result
from tests.studies.command import add_data_dir, add_results, command

SIZE, SCALE = 32, 4
N_IMAGES = 600
CHOSEN_ON, MEASURED_ON = range(10), range(100, 120)
SHORTEST, LONGEST = 5, 60
OBJECT_SIZES, SMALL_SIZES = (8, 16), (4, 7)
"""Pixels of the encoder's image: 6 % to 25 % of its area; 2 % to 5 %, for which the threshold was
not chosen.
"""
READ_NOISE, SHOT_GAIN = 2.0, 0.25
"Grey levels; variance of the shot noise in grey levels per grey level: a small camera by day."
SHAKE = 0.15
"Pixels of the encoder's image, standard deviation."
THRESHOLDS, RIVAL_THRESHOLDS = (5.0, 6.0, 7.0, 8.0, 10.0, 12.0), (8.0, 10.0, 12.0, 14.0, 16.0)


def sequence(
    photographs: np.ndarray,
    seed: int,
    n_images: int = N_IMAGES,
    sizes: tuple[int, int] = OBJECT_SIZES,
) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (n, 32, 32, 3), and the number of the scene that each shows."""
    draw = np.random.default_rng(seed)
    large = SIZE * SCALE

    def photograph() -> np.ndarray:
        return photographs[draw.integers(len(photographs))].astype(float)

    background = photograph().repeat(SCALE, axis=0).repeat(SCALE, axis=1)
    scenes: list[int] = []
    objects: list[tuple[np.ndarray, int, int] | None] = []
    while sum(scenes) < n_images:
        scenes.append(int(draw.integers(SHORTEST, LONGEST + 1)))
        size = SCALE * int(draw.integers(sizes[0], sizes[1] + 1))
        top, left = draw.integers(0, large - size, 2)
        cut = photograph().repeat(SCALE, axis=0).repeat(SCALE, axis=1)[:size, :size]
        objects.append(
            (cut, top, left) if draw.random() < 0.7 or not objects or objects[-1] is None else None
        )
    numbers = np.repeat(np.arange(len(scenes)), scenes)[:n_images]
    phase, cloud, images = draw.uniform(0, 2 * np.pi, 3), 1.0, []
    for n, number in enumerate(numbers):
        scene = background.copy()
        if (thing := objects[number]) is not None:
            cut, top, left = thing
            scene[top : top + len(cut), left : left + len(cut)] = cut
        cloud += 0.1 * (1.0 - cloud) + draw.normal(0, 0.03)
        light = cloud * (1 + 0.3 * np.sin(phase[0] + n / 150))
        slope = 0.15 * np.sin(phase[1] + n / 90) * np.linspace(-1, 1, large)[:, None, None]
        colour = 1 + 0.05 * np.sin(phase[2] + n / 200) * np.array([1.0, 0.0, -1.0])
        images.append(camera(scene * (light + slope) * colour, draw))
    return np.stack(images), numbers


def camera(scene: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """A shaken lens, the sensor's pixels, its noise, eight bits."""
    dy, dx = draw.normal(0, SHAKE * SCALE, 2).round().astype(int)
    seen = np.roll(scene, (dy, dx), axis=(0, 1)).reshape(SIZE, SCALE, SIZE, SCALE, 3).mean((1, 3))
    seen = np.clip(0.8 * seen, 0, 255)
    noisy = seen + draw.normal(0, 1, seen.shape) * np.sqrt(READ_NOISE**2 + SHOT_GAIN * seen)
    return np.clip(noisy.round(), 0, 255).astype(np.uint8)


def by_gate(threshold: float) -> Callable[[np.ndarray], bool]:
    gate = Gate(threshold, heartbeat_s=np.inf)
    return lambda image: gate.lets_pass(image, 0.0)


def by_difference(threshold: float) -> Callable[[np.ndarray], bool]:
    last: list[np.ndarray] = []

    def is_news(image: np.ndarray) -> bool:
        news = not last or float(np.abs(image.astype(int) - last[-1]).mean()) > threshold
        if news:
            last[:] = [image.astype(int)]
        return news

    return is_news


def count(
    sequences: list[tuple[np.ndarray, np.ndarray]], make: Callable[[], Callable[[np.ndarray], bool]]
) -> dict[str, Any]:
    """What a gate does with these sequences; the first image of each is sent by every gate and
    counts nowhere.
    """
    n_same = n_false = n_scenes = n_missed = n_late = n_images = n_sent = 0
    for images, numbers in sequences:
        is_news = make()
        sent = np.array([is_news(image) for image in images])
        shown = -1
        for number, is_sent in zip(numbers, sent, strict=True):
            if number == shown:
                n_same += 1
                n_false += int(is_sent)
            if is_sent:
                shown = number
        for number in range(1, numbers.max() + 1):
            of_scene = sent[numbers == number]
            n_scenes += 1
            n_missed += int(not of_scene.any())
            n_late += int(of_scene.any() and not of_scene[0])
        n_images += len(images)
        n_sent += int(sent.sum())
    return {
        "images": n_images,
        "sent": n_sent / n_images,
        "false_sends": n_false / n_same,
        "scenes": n_scenes,
        "missed_changes": n_missed / n_scenes,
        "late_changes": n_late / n_scenes,
    }


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser()
    add_data_dir(top)
    add_results(top)
    return top


def main(options: argparse.Namespace) -> None:
    photographs = load("cifar10", options.data_dir).test.images
    sweeps: dict[str, Any] = {}
    for name, seeds in (("chosen_on", CHOSEN_ON), ("measured_on", MEASURED_ON)):
        sequences = [sequence(photographs, seed) for seed in seeds]
        for rule, make, thresholds in (
            ("gate", by_gate, THRESHOLDS),
            ("rival", by_difference, RIVAL_THRESHOLDS),
        ):
            sweeps[f"{name}_{rule}"] = {
                str(one): count(sequences, partial(make, one)) for one in thresholds
            }
            for threshold, counted in sweeps[f"{name}_{rule}"].items():
                print(f"{name} {rule} {threshold}: {counted}", flush=True)
    small = count(
        [sequence(photographs, seed, sizes=SMALL_SIZES) for seed in MEASURED_ON],
        partial(by_gate, THRESHOLD),
    )
    print(f"small objects: {small}")
    figures = {"threshold": THRESHOLD, **sweeps["measured_on_gate"][str(THRESHOLD)]}
    figures |= {f"small_objects_{name}": value for name, value in small.items()}
    extra = {"chosen_on_seeds": list(CHOSEN_ON), **sweeps}
    print(
        write_result(
            "gate",
            figures,
            command=command(),
            seeds=MEASURED_ON,
            extra=extra,
            folder=options.results,
        )
    )
