"""Question: what was taught, as a task of the bundle: a decoder of its own, its confidence, and
what is none of its classes.
"""

from dataclasses import dataclass

from host_decoder.errors import HostError
from host_decoder.teach.calibrating import calibrate
from host_decoder.teach.examples import Examples
from host_decoder.teach.head import Taught, teach
from link.base import durable
from link.bundle import Bundle, Calibration, check_task_name
from link.bundle.manifest import LABEL_TASK, Learned, Output, TaskEntry, TaskMeasured

TAUGHT = "taught"


@dataclass(frozen=True, eq=False)
class Question:
    """Classes, and what tells them apart."""

    classes: tuple[str, ...]
    source: str
    taught: Taught
    calibration: Calibration | None
    accuracy: float
    "Share 0…1 of examples that were left out of learning."
    n_examples: int
    seed: int

    @classmethod
    def learned(cls, bundle: Bundle, examples: Examples, seed: int = 0) -> "Question":
        labels = examples.labels
        taught = teach(examples.symbols, labels, len(examples.classes), seed)
        whole = examples.symbols.round().astype(int)
        return cls(
            examples.classes,
            examples.source,
            taught,
            calibrate(taught, whole, bundle.tables, seed),
            taught.accuracy,
            len(labels),
            seed,
        )

    @property
    def refused(self) -> float:
        """Share of such examples that is taken for none of the classes."""
        return float((self.taught.strangeness > self.taught.threshold).mean())

    def entry(self, file: str) -> TaskEntry:
        """What the manifest says of it."""
        return TaskEntry(
            file=file,
            classes=self.classes,
            output=Output.PROBABILITIES,
            threshold=self.taught.threshold,
            learned=Learned(task=TAUGHT, data_set=self.source, seed=self.seed),
            measured=TaskMeasured(
                split="cross-validation", images=self.n_examples, others={"accuracy": self.accuracy}
            ),
        )


def write(bundle: Bundle, name: str, question: Question) -> Bundle:
    """Beside the bundle's other tasks; its id stays."""
    check_task_name(name)
    if name == LABEL_TASK:
        raise HostError(f"'{LABEL_TASK}' is the bundle's own question; give yours another --name")
    file = f"decoder-{name}.onnx"
    with durable.whole(bundle.path / file) as unfinished:
        unfinished.write_bytes(question.taught.head.to_onnx())
    written = bundle.with_task(name, question.entry(file))
    if question.calibration is None:
        return written
    fitted_on: dict[str, float | str] = {"split": TAUGHT, "images": question.n_examples}
    return written.with_calibration(question.calibration, fitted_on, name)
