"""Run: one model learned on simulated devices, in a folder: goes on where it was killed, shows how
far it is, and ends with an ordinary checkpoint, `ce.pt`, that `python -m export` takes.

    server/        the server's state and its signed messages, round by round
    devices/       each device's end
    rounds.jsonl   what became of each round
    report.md      what it cost, and a line for every device
    tensorboard/   the same, drawn
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from host_training.data.dataset import DataSet
from host_training.distributed.learner import network
from host_training.distributed.learner.flat_model import DUPHIL_PARTS, FlatModel
from host_training.distributed.learner.objective import duphil
from host_training.distributed.server.rules import Rules
from host_training.distributed.server.server import Server
from host_training.distributed.simulation.circumstances import Circumstances
from host_training.distributed.simulation.fleet import SERVER, Fleet, key_of, public_keys
from host_training.distributed.simulation.partition import deal
from host_training.distributed.simulation.plan import Plan
from host_training.distributed.simulation.simulator import Moment, Simulator
from host_training.models.autoencoder import AutoEncoder, ModelConfig
from host_training.run import sha256
from host_training.training.checkpoint import Checkpoint, Provenance
from host_training.training.evaluation import Evaluation, encode_split, evaluate, symbol_order
from host_training.training.recipe import Recipe, StageName
from link.base import durable

N_CALIBRATION = 2000
"Validation images by which the server estimates batch norms' statistics."
SERVER_DIR, DEVICES_DIR, ROUNDS, REPORT, RESULT = (
    "server", "devices", "rounds.jsonl", "report.md", "ce.pt",
)  # fmt: skip


NOTHING_YET = {"now_s": 0.0, "up_bytes": 0.0, "down_bytes": 0.0}
"What a line adds to, before the first round."


@dataclass(frozen=True)
class World:
    """What is simulated around a plan."""

    alpha: float | None = None
    "The Dirichlet distribution's that a device's classes have; None: mixed as in the whole."
    circumstances: Circumstances = field(default_factory=Circumstances)
    rules: Rules = field(default_factory=Rules)
    n_per_gateway: int = 1
    "Devices behind each gateway, which then counts as one of the plan's."
    n_each: int = 1
    "How many of these train when it is its turn."


class Run:
    """A data set, a recipe's model, a plan and a world."""

    def __init__(
        self,
        data: DataSet,
        recipe: Recipe,
        plan: Plan,
        world: World | None = None,
        folder: Path | None = None,
        start_from: Path | None = None,
    ) -> None:
        """`folder`: None keeps nothing (studies). `start_from`: a finished ce.pt of the same
        recipe; the run is then DuPHiL's two phases, which nodes without torch cannot train.
        """
        self.data, self.recipe, self.plan, self.folder = data, recipe, plan, folder
        self.world = world or World()
        self.start_sha256 = None if start_from is None else sha256(start_from)
        objective = None
        if start_from is None:
            torch.manual_seed(plan.seed)
            config = ModelConfig.of(recipe.model, data.image_shape, len(data.classes))
            self.flat = FlatModel(AutoEncoder(config))
            name = network.describe(self.flat.model).name
        else:
            self.flat = FlatModel(Checkpoint.read(start_from).model, DUPHIL_PARTS)
            name = hashlib.sha256(f"duphil {self.start_sha256}".encode()).hexdigest()[:16]
            weight = recipe.mcr2_learning_rate / recipe.duphil_decoder_learning_rate
            objective = duphil(weight, recipe.eps_sq)
        self.settings = plan.settings(
            name, len(data.train), self.world.n_each, len(self.flat.statistics)
        )
        initial = self.flat.weights
        n_parts = plan.n_devices * self.world.n_per_gateway
        parts = deal(data.train.labels, n_parts, self.world.alpha, plan.seed)
        own = None if folder is None else folder / SERVER_DIR
        self.server = Server(
            self.settings,
            self.flat.layout,
            initial,
            key_of(self.settings.run_id, SERVER),
            public_keys(self.settings),
            own,
            self.world.rules,
            statistics=self.statistics_at,
        )
        fleet = Fleet(
            self.flat,
            initial,
            data.train,
            parts,
            self.settings,
            n_per_gateway=self.world.n_per_gateway,
            n_each=self.world.n_each,
            folder=None if folder is None else folder / DEVICES_DIR,
            objective=objective,
        )
        self.lines = self._known_lines()
        last = self.lines[-1] if self.lines else NOTHING_YET
        self.simulator = Simulator(
            self.server, fleet, self.world.circumstances, last["now_s"],
            last["up_bytes"], last["down_bytes"],
        )  # fmt: skip

    @property
    def stage(self) -> StageName:
        """What is trained, and what the result is called."""
        return "ce" if self.start_sha256 is None else "duphil"

    def _known_lines(self) -> list[dict[str, Any]]:
        """Those of rounds that the server has behind it. A kill may leave one cut off, or a round
        without: what the server knows of it stands in its place.
        """
        if self.folder is None:
            return []
        path = self.folder / ROUNDS
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        read = [json.loads(line) for line in text.splitlines(True) if line.endswith("\n")]
        written = {line["round"]: line for line in read}
        last: dict[str, Any] = NOTHING_YET
        lines = []
        for round_ in range(self.server.round_):
            last = written.get(round_) or {
                **{name: last[name] for name in NOTHING_YET},
                "round": round_,
                "accepted": self.server.accepted[round_],
                "left_out": (),
                "hash": self.server.hash_after(round_).hex(),
            }
            lines.append(last)
        return lines

    def train(
        self,
        judged_every: int,
        on_round: Callable[[dict[str, Any]], None] = lambda line: None,
        until: Callable[[], bool] = lambda: False,
    ) -> bool:
        """To the end, or until `until()` says so; False then. Every so many rounds, and after the
        last one, a line has the accuracy on the validation split.
        """
        if self.lines:
            self._rewrite_lines()
        while not self.server.is_finished:
            if until():
                return False
            line = self._line(self.simulator.round())
            if (line["round"] + 1) % judged_every == 0 or self.server.is_finished:
                figures = self.judge()
                line |= {"accuracy": figures.accuracy, "val_loss": figures.loss}
            self.lines.append(line)
            self._write_line()
            on_round(line)
        return True

    def _line(self, moment: Moment) -> dict[str, Any]:
        closed = moment.closed
        return {
            "round": closed.round_,
            "now_s": moment.now_s,
            "loss": closed.loss,
            "up_bytes": moment.up_bytes,
            "down_bytes": moment.down_bytes,
            "accepted": closed.accepted,
            "left_out": closed.left_out,
            "refused": moment.refused,
            "hash": moment.hash.hex(),
        }

    def _rewrite_lines(self) -> None:
        """What a kill left, mended."""
        if self.folder is not None:
            with durable.whole(self.folder / ROUNDS) as unfinished:
                unfinished.write_text("".join(map(_text, self.lines)), encoding="utf-8")

    def _write_line(self) -> None:
        if self.folder is not None:
            with (self.folder / ROUNDS).open("a", encoding="utf-8") as file:
                file.write(_text(self.lines[-1]))

    def judge(self, weights: np.ndarray | None = None) -> Evaluation:
        """What weights float32 (P,), else the server's, are worth on the validation split; the
        model then has them.
        """
        self.flat.set_weights(self.server.weights if weights is None else weights)
        self.estimate_statistics()
        return evaluate(self.flat.model, self.data.validation, self.flat.device)

    def statistics_at(self, weights: np.ndarray) -> np.ndarray:
        """Batch norms' mean and variance at weights float32 (P,), float32 (S,)."""
        self.flat.set_weights(weights)
        self.estimate_statistics()
        return self.flat.statistics

    def estimate_statistics(self) -> None:
        """The model's batch norms', on validation images."""
        calibration = np.arange(min(N_CALIBRATION, len(self.data.validation)))
        self.flat.estimate_statistics(self.data.validation.subset(calibration))

    def write_checkpoint(self, path: Path, weights: np.ndarray | None = None) -> Checkpoint:
        """The result, with its latents ranked; as judge."""
        figures = self.judge(weights)
        model = self.flat.model
        symbols, labels = encode_split(model, self.data.train, self.flat.device)
        order = symbol_order(model.config, symbols.numpy(), labels.numpy())
        epochs = max(1, round(self.plan.epochs))
        is_ce = self.stage == "ce"
        recipe = replace(
            self.recipe,
            ce_epochs=epochs if is_ce else 0,
            duphil_epochs=0 if is_ce else epochs,
            seed=self.plan.seed,
        )
        best = Checkpoint(
            model,
            Provenance(self.data.name, self.data.sha256, recipe, self.start_sha256, None),
            self.data.classes,
            self.stage,
            epochs,
            figures,
            tuple(order.tolist()),
        )
        best.write(path)
        return best

    def report(self) -> str:
        """Markdown: what the run cost, and a line for every device."""
        return report(self.lines, asdict(self.plan), self.settings.n_devices)


def _text(line: dict[str, Any]) -> str:
    return json.dumps(line) + "\n"


def report(lines: Sequence[dict[str, Any]], plan: dict[str, Any], n_devices: int) -> str:
    """The same of a run's lines."""
    counted, late, left_out = Counter[int](), Counter[int](), Counter[int]()
    last: dict[int, int] = {}
    for line in lines:
        for device, made_in in line["accepted"]:
            counted[device] += 1
            late[device] += made_in < line["round"]
            last[device] = line["round"]
        left_out.update(device for device, _ in line["left_out"])
    end = lines[-1]
    judged = [line for line in lines if "accuracy" in line]
    parts = [
        "# A run on many devices\n",
        f"{end['round'] + 1} rounds, {end['now_s'] / 3600:.2f} modelled hours; a device that took "
        f"part in every turn sent {end['up_bytes'] / 1e6:.3f} MB and received "
        f"{end['down_bytes'] / 1e6:.3f} MB.\n",
        "| round | hours | MB up | MB down | validation accuracy, % |\n|---|---|---|---|---|",
        *(
            f"| {line['round'] + 1} | {line['now_s'] / 3600:.2f} | {line['up_bytes'] / 1e6:.3f} | "
            f"{line['down_bytes'] / 1e6:.3f} | {100 * line['accuracy']:.2f} |"
            for line in judged
        ),
        "\n## Devices\n",
        "| device | counted | of these late | left out by the filters | last counted in round |\n"
        "|---|---|---|---|---|",
        *(
            f"| {device} | {counted[device]} | {late[device]} | {left_out[device]} | "
            f"{last.get(device, -1) + 1 or 'never'} |"
            for device in range(n_devices)
        ),
        "\n## Plan\n",
        *(f"- {name}: {value}" for name, value in plan.items()),
    ]
    return "\n".join(parts) + "\n"
