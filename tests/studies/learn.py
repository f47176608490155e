"""Learn: what training costs a node in numpy, and a teacher's labels in accuracy; writes
results/learn.json.

Time is that of one image, forward and backward, of the plain network of 3 M MACs at CIFAR size and
of the digits' network, in the fastest of many steps: CPU time of one thread, so that other programs
count less, beside torch's on the same core. Gradients are
held against torch's on the same images and noise. Memory is the peak of a process that learns from
a shard of more than 10 GB.

Labels: a teacher learned from a hundred digits, and says what the latents of the others show. A
device learns from these by the teacher's labels, and another one by a person's.
"""

import argparse
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from device.training import description
from device.training.learner import Learner
from device.training.network import Network
from device.training.shard import Shard, write
from host_training.data.dataset import Split
from host_training.data.digits import load
from host_training.distributed.learner.network import (
    describe,
    restore_statistics,
    take,
    trained,
    weights,
)
from host_training.models.autoencoder import AutoEncoder, ModelConfig
from host_training.presets import PRESETS
from host_training.training.evaluation import encode_split, evaluate
from link.output.results import write_result
from link.update.settings import CARRIED, RunSettings
from tests.studies.command import add_results, command
from tests.worlds import large_shard

TIMED = {"plain": ("plain-5-long", (32, 32, 3)), "digits": ("digits", (8, 8, 1))}
BATCH, N_TIMES, SMOOTHING = 32, 100, 0.1
N_OF_TEACHER, TEACHER_STEPS, STEPS = 100, 150, 300
SEEDS = (0, 1, 2)
Shape = tuple[int, int, int]


def new_model(preset: str, shape: Shape, seed: int = 0) -> AutoEncoder:
    torch.manual_seed(seed)
    return AutoEncoder(ModelConfig.of(PRESETS[preset].recipe.model, shape, 10))


def timed(name: str) -> dict[str, float]:
    """Milliseconds an image, ours and torch's by turns, and how far gradients are apart."""
    preset, shape = TIMED[name]
    model = new_model(preset, shape)
    network = Network(description.read(describe(model).text), SMOOTHING)
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (BATCH, *shape), np.uint8), rng.integers(0, 10, BATCH)
    vector, draws = weights(model), network.draws(rng, BATCH)
    parameters = [parameter for _, parameter in trained(model)]
    noise = model.config.noise_half_width * torch.from_numpy(draws.noise)

    def ours() -> np.ndarray:
        return network.gradient(vector, images, labels, draws).gradient

    def theirs() -> np.ndarray:
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float().div(255)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        scores = model.decoder(model.encoder(pixels) + noise)
        loss = cross_entropy(scores, torch.from_numpy(labels), label_smoothing=SMOOTHING)
        return torch.cat([one.flatten() for one in torch.autograd.grad(loss, parameters)]).numpy()

    fastest_s = {"numpy": math.inf, "torch": math.inf}
    for _ in range(N_TIMES):
        for library, step in (("numpy", ours), ("torch", theirs)):
            fastest_s[library] = min(fastest_s[library], seconds(step))
    figures = {f"{name}_{library}_ms": 1000 * s / BATCH for library, s in fastest_s.items()}
    figures[f"{name}_ratio"] = fastest_s["numpy"] / fastest_s["torch"]
    figures[f"{name}_gradient_difference"] = float(np.abs(ours() - theirs()).max())
    return figures


def seconds(step: Callable[[], object]) -> float:
    began_s = time.process_time()
    step()
    return time.process_time() - began_s


def learned(images: np.ndarray, labels: np.ndarray, seed: int, n_steps: int) -> AutoEncoder:
    """What one device ends with that is alone."""
    model = new_model("digits", (8, 8, 1), seed)
    described = describe(model)
    rates = tuple(0.025 * (1 + math.cos(math.pi * step / n_steps)) for step in range(n_steps))
    settings = RunSettings(
        network=described.name,
        seed=seed,
        n_rounds=n_steps,
        batch_images=BATCH,
        learning_rates=rates,
        momentum_kind=CARRIED,
        weight_decay=5e-4,
        crop_pixels=1,
    )
    vector = weights(model)
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), (8, 8, 1), zip(images, labels.tolist(), strict=True))
        shard = Shard(Path(name), (8, 8, 1), 10, BATCH, (seed, 0), settings.crop_pixels)
        learner = Learner(Network(description.read(described.text)), shard, settings)
        for round_ in range(n_steps):
            vector = learner.train(vector, round_).weights
    take(model, vector)
    restore_statistics(model, Split(images, labels))
    return model.eval()


def by_labels(seed: int) -> dict[str, float]:
    """Accuracy on the test split of the teacher, and of who learned from it or from a person."""
    data, device = load(), torch.device("cpu")
    order = np.random.default_rng(seed).permutation(len(data.train))
    own, others = (data.train.subset(part) for part in np.split(order, [N_OF_TEACHER]))
    teacher = learned(own.images, own.labels, seed, TEACHER_STEPS)
    with torch.no_grad():
        told = teacher.decoder(encode_split(teacher, others, device)[0]).argmax(1).numpy()
    models = {
        "teacher": teacher,
        "by_teacher": learned(others.images, told, seed, STEPS),
        "by_person": learned(others.images, others.labels, seed, STEPS),
    }
    found = {name: evaluate(model, data.test, device).accuracy for name, model in models.items()}
    return {"labels_right": float((told == others.labels).mean()), **found}


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser()
    add_results(top)
    return top


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    figures: dict[str, float] = {}
    for name in TIMED:
        figures |= timed(name)
    with tempfile.TemporaryDirectory() as folder:
        figures["shard_images"], figures["peak_mb"] = large_shard.learn(Path(folder))
    print(figures, flush=True)
    by_seed = [by_labels(seed) for seed in SEEDS]
    print(by_seed)
    figures |= {name: float(np.mean([one[name] for one in by_seed])) for name in by_seed[0]}
    extra = {"labels": by_seed}
    path = write_result(
        "learn",
        figures,
        command=f"OMP_NUM_THREADS=1 {command()}",
        seeds=SEEDS,
        extra=extra,
        folder=options.results,
    )
    print(path)
