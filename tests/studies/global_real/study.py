"""Global, real: one encoder learned by many processes over Flower, some killed, one lying; then the
same run once more in one process; writes results/global-real.json.

Devices are `latentlink learn`, each with its own images; a SuperNode is a gateway for some of them.
Everything runs on this machine, over TLS, each SuperNode known by its key. What is killed is killed
as a power cut would do it. What was learned becomes a run like any other, for `make export`.
"""

import argparse
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch

from host_training.data import catalogue as data_sets
from host_training.data.dataset import DataSet
from host_training.distributed.flower.federation import Federation, LocalGateway, read_events
from host_training.distributed.learner import network
from host_training.distributed.server.folder import SETTINGS, SHARED, Folder
from host_training.models.autoencoder import AutoEncoder, ModelConfig
from host_training.presets import recipe
from host_training.run import Run, write_run
from host_training.training.checkpoint import Checkpoint, Provenance
from host_training.training.evaluation import encode_split, evaluate, symbol_order
from host_training.training.recipe import Recipe
from link.output.results import write_result
from link.update import RunSettings
from link.update.settings import CARRIED
from tests.studies.command import MistakeError, add_data_dir, add_results, command
from tests.studies.global_real.devices import Crew, Place, deal
from tests.studies.global_real.replay import replayed_hash

NAME = "global-real"
DATA_SET = "digits"
STAGE: Literal["ce"] = "ce"
FOLDER, ENVIRONMENT = Path("runs/digits-flower"), Path(".venv-global")
WATCH_S = 1.0
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Plan:
    """A run, and what happens to it."""

    n_devices: int = 24
    n_gateways: int = 6
    n_rounds: int = 14
    n_steps: int = 8
    batch_images: int = 16
    rate: float = 0.15
    "The first round's, from which it falls along a cosine."
    outer_momentum: float = 0.7
    outer_rate: float = 0.5
    up_bytes: int = 16_000
    down_bytes: int = 30_000
    liar: int = 23
    dead: tuple[int, int] = (2, 11)
    "The round after which a device is killed for good, and which."
    kills: tuple[tuple[int, str], ...] = (
        (1, "device-5"),
        (3, "server"),
        (5, "superlink"),
        (7, "supernode-2"),
    )
    "The round after which something is killed, and what; it is started again."
    limit_s: float = 3000.0

    def settings(self, name: str, recipe: Recipe, data: DataSet, seed: int) -> RunSettings:
        """What all ends share, for a network of that name."""
        turns = np.pi * np.arange(self.n_rounds) / self.n_rounds
        rates = tuple(float(rate) for rate in self.rate * (1 + np.cos(turns)) / 2)
        return RunSettings(
            network=name,
            seed=seed,
            n_devices=self.n_devices,
            n_rounds=self.n_rounds,
            n_steps=self.n_steps,
            batch_images=self.batch_images,
            learning_rates=rates,
            momentum_kind=CARRIED,
            outer_momentum=self.outer_momentum,
            outer_rates=(self.outer_rate,),
            weight_decay=5e-4,
            label_smoothing=recipe.label_smoothing,
            crop_pixels=data.augmentation.crop_pad,
            has_flips=data.augmentation.flip,
            up_bytes=(self.up_bytes,),
            down_bytes=(self.down_bytes,),
        )

    def gateways(self, sockets: Path) -> list[LocalGateway]:
        each = self.n_devices // self.n_gateways
        return [
            LocalGateway(tuple(range(first, first + each)), sockets)
            for first in range(0, self.n_devices, each)
        ]


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser()
    top.add_argument("--run", type=Path, default=FOLDER, help="folder of the run (%(default)s)")
    top.add_argument("--environment", type=Path, default=ENVIRONMENT, help="with Flower")
    top.add_argument("--seed", type=int, default=0)
    add_data_dir(top)
    add_results(top)
    return top


def main(options: argparse.Namespace) -> None:
    if not (options.environment / "bin" / "flower-superlink").exists():
        raise MistakeError(
            f"there is no Flower in {options.environment}; `make global` installs it"
        )
    plan = Plan()
    data = data_sets.load(DATA_SET, options.data_dir, 0)
    figures, events = measure(plan, data, options.run, options.environment, options.seed)
    path = write_result(
        NAME,
        figures,
        command=command(),
        seeds=[options.seed],
        extra={"plan": asdict(plan), "events": events},
        folder=options.results,
    )
    print(path)


def measure(
    plan: Plan, data: DataSet, folder: Path, environment: Path, seed: int
) -> tuple[dict[str, float], Sequence[Mapping[str, Any]]]:
    """The run, to its end, and the same once more; figures by name, and what the server told."""
    torch.set_num_threads(1)
    folder, run = folder.resolve(), (folder / "global").resolve()
    model = prepare(plan, data, run, seed)
    places = deal(folder, run, data.train, plan.n_devices, seed)
    began_s = time.monotonic()
    with TemporaryDirectory(prefix="ll") as sockets:  # short: a socket's path has 107 bytes
        n_kills, rss_mb = carry_out(plan, places, run, Path(sockets), environment)
    server = Folder.read(run).server(0.0)
    replayed = replayed_hash(run, places, [plan.liar])
    accuracy = keep(model, server.weights, data, folder)
    events = read_events(run)
    rounds = [event for event in events if event["event"] == "round"]
    lies = sum(device == plan.liar for counted in server.accepted for device, _ in counted)
    figures = {
        "devices": plan.n_devices,
        "supernodes": plan.n_gateways,
        "hash_equals_simulator": int(replayed == server.hash.hex()),
        "kills": n_kills,
        "client_rss_mb": round(rss_mb, 1),
        "rounds": server.round_,
        "accuracy": accuracy,
        "lies_counted": lies,
        "updates_counted": sum(map(len, server.accepted)),
        "up_bytes_per_device": sum(event["up_bytes"] for event in rounds) / plan.n_devices,
        "down_bytes_per_device": sum(event["down_bytes"] for event in rounds),
        "duration_s": round(time.monotonic() - began_s, 1),
    }
    return figures, events


def prepare(plan: Plan, data: DataSet, run: Path, seed: int) -> AutoEncoder:
    """The run's folder, if it is not there yet, and the model that it begins with."""
    chosen = recipe(DATA_SET)
    torch.manual_seed(seed)
    model = AutoEncoder(ModelConfig.of(chosen.model, data.image_shape, len(data.classes)))
    described = network.describe(model)
    settings = plan.settings(described.name, chosen, data, seed)
    if not (run / SHARED / SETTINGS).exists():
        Folder.create(run, settings, described.text, described.parameters, network.weights(model))
    return model


def carry_out(
    plan: Plan, places: Sequence[Place], run: Path, sockets: Path, environment: Path
) -> tuple[int, float]:
    """The run to its end; how many kills, and the most memory of any honest device, MB."""
    kills = [*plan.kills, (plan.dead[0], f"device-{plan.dead[1]}")]
    n_kills, n_told = 0, 0
    until_s = time.monotonic() + plan.limit_s
    with (
        Crew(places, run / SHARED, sockets, [plan.liar]) as crew,
        Federation(run, environment, plan.gateways(sockets)) as federation,
    ):
        federation.begin()
        while not federation.is_finished:
            if time.monotonic() > until_s:
                raise TimeoutError(f"the run did not end within {plan.limit_s:.0f} s; see {run}")
            federation.watch()
            crew.watch()
            events = read_events(run)
            for event in events[n_told:]:
                print(told(event), flush=True)
            n_told = len(events)
            ended = max(
                (event["round"] for event in events if event["event"] == "round"), default=0
            )
            for kill in [kill for kill in kills if ended >= kill[0]]:
                kills.remove(kill)
                n_kills += killed(kill[1], kill[1] == f"device-{plan.dead[1]}", crew, federation)
            time.sleep(WATCH_S)
        return n_kills, crew.peak_rss_mb


def killed(what: str, is_for_good: bool, crew: Crew, federation: Federation) -> bool:
    """SIGKILL to that process; False where there was none."""
    print(f"killed    {what}", flush=True)
    kind, _, number = what.partition("-")
    if kind == "device":
        crew.kill(int(number), is_for_good)
        return True
    pid = federation.server_pid if what == "server" else federation.pid(what)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
    return pid is not None


def told(event: Mapping[str, Any]) -> str:
    """A line for a person."""
    if event["event"] != "round":
        return f"{event['event']:9} " + ", ".join(
            f"{key} {value}" for key, value in event.items() if key not in ("event", "time")
        )
    return (
        f"round {event['round']:3} loss {event['loss']:.3f}  {len(event['accepted'])} counted, "
        f"{len(event['left_out'])} left out, {event['up_bytes']} bytes up, {event['down_bytes']} "
        f"down, hash {event['hash']}"
    )


def keep(model: AutoEncoder, weights: np.ndarray, data: DataSet, folder: Path) -> float:
    """A run that can be exported; its accuracy on the test split. The host has no image of the
    devices: batch norm's statistics are those of the validation split.
    """
    network.take(model, weights.copy())
    network.restore_statistics(model, data.validation)
    symbols, labels = encode_split(model, data.validation, CPU)
    order = symbol_order(model.config, symbols.numpy(), labels.numpy())
    chosen = recipe(DATA_SET)
    Checkpoint(
        model.eval(),
        Provenance(DATA_SET, data.sha256, chosen, None, None),
        data.classes,
        STAGE,
        1,
        evaluate(model, data.validation, CPU),
        tuple(int(latent) for latent in order),
    ).write(folder / f"{STAGE}.pt")
    n_images = sum(len(split) for split in (data.train, data.validation, data.test))
    run = Run(
        data_set=DATA_SET,
        folder=None,
        data_dir=None,
        image_size=None,
        n_images=n_images,
        data_sha256=data.sha256,
        preset=DATA_SET,
        changes={},
        stage=STAGE,
        is_finished=True,
    )
    write_run(run, folder, None)
    return evaluate(model, data.test, CPU).accuracy
