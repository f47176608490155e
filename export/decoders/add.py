"""`make decoder`: another decoder for the host of a bundle whose node is in the field and stays as
it is.

Images go through the bundle's int8 encoder; what arrives at the host is learned from, measured on
the test split and written beside the other decoders. The bundle keeps its id.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import nn

from export import ExportError
from export.decoders import anomaly
from export.decoders.anomaly import NORMAL_SHARE
from export.decoders.finetune import run
from export.decoders.lessons import AtHost, Lessons, passes
from export.decoders.networks import (
    CE,
    KL,
    LOSSES,
    Learning,
    PrincipalComponents,
    learn_classes,
    learn_pixels,
)
from export.decoders.pictures import RADIUS, psnr, ssim
from export.decoders.questions import (
    ANOMALY,
    CLASS_TASKS,
    LABEL,
    NEW_CLASS,
    TASKS,
    THUMBNAIL,
    NewClass,
    check_shape,
    classes_of,
)
from export.encoder import onnx_model
from export.encoder.symbols import Encode, received
from export.measure import accuracy
from export.partition.chain import encoder_of
from export.partition.deaths import as_may_come
from host_decoder.decode.classifier import Classifier
from host_decoder.decode.onnx_decoder import OnnxDecoder
from host_training.data.catalogue import load
from host_training.data.dataset import DataSet
from host_training.data.photo_choices import PhotoChoices
from link.bundle import Bundle, check_task_name
from link.bundle.manifest import LABEL_TASK, Learned, Output, TaskEntry, TaskMeasured

FEW_PASSES = 4
"Views of each example of a new class."
N_OTHERS = 5000
"Training images that a new class is held against."
FEW_HIDDEN, FEW_STEPS = 64, 150
"A small network, trained briefly: there is little to learn from."


@dataclass(frozen=True)
class Request:
    """One further decoder."""

    bundle: Path
    task: str
    name: str = ""
    "What the bundle calls it; none: after the task."
    loss: str = CE
    dataset: str | None = None
    "Name or folder; None: the bundle's own."
    data_dir: Path = Path("data")
    examples: str = ""
    "Examples of a new class: a folder of images, or DATASET:CLASS."
    shots: int = 20
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ExportError(f"there is no task '{self.task}'; there are {', '.join(TASKS)}")
        if self.loss not in LOSSES:
            raise ExportError(f"there is no loss '{self.loss}'; there are {', '.join(LOSSES)}")
        if self.loss != CE and self.task not in CLASS_TASKS:
            raise ExportError(
                f"the loss {self.loss} is for {', '.join(CLASS_TASKS)}; {self.task} has its own"
            )
        if self.name == LABEL_TASK:
            raise ExportError(
                f"'{LABEL_TASK}' is the decoder that the export made, and stays; give another "
                "--task-name"
            )
        if self.name:
            check_task_name(self.name)
        if (self.task == NEW_CLASS) != bool(self.examples):
            raise ExportError(
                "--examples FOLDER or DATASET:CLASS shows a new class; it goes with --task "
                f"{NEW_CLASS} and no other"
            )


@dataclass(frozen=True, eq=False)
class Decoder:
    """What was learned, and what the manifest is to say of it."""

    module: nn.Module
    output: Output
    classes: tuple[str, ...] | None = None
    "Names of what the probabilities are of."


def class_lessons(heard: AtHost, loss: str, own_decoder: Classifier) -> Lessons:
    """To learn the classes; KL-D learns from what the bundle's own decoder says, and needs no
    labels.
    """
    if loss != KL:
        return Lessons.of_classes(heard)
    wanted, validation = (own_decoder(part) for part in (heard.passes[0], heard.validation))
    return Lessons(heard.passes[:1], wanted, heard.validation, validation)


def class_decoder(heard: AtHost, lessons: Lessons, loss: str, learning: Learning) -> Decoder:
    classes, labels = heard.data.classes, heard.data.validation.labels
    module = learn_classes(lessons, labels, len(classes), loss, learning)
    return Decoder(module, Output.PROBABILITIES, classes)


def thumbnail_lessons(heard: AtHost) -> tuple[Lessons, PrincipalComponents]:
    """To learn the pictures: coefficients of their principal components."""
    data = heard.data
    components = PrincipalComponents.of(data.train.images)
    seen = passes(data.train.images, data.augmentation, len(heard.passes))
    wanted = np.stack([components.coefficients(images) for images in seen])
    return Lessons(
        heard.passes, wanted, heard.validation, components.coefficients(data.validation.images)
    ), components


def new_class_decoder(heard: AtHost, few: np.ndarray, name: str, learning: Learning) -> Decoder:
    """Is it the new class or any other? `few` (passes, k, D) are symbols of its examples.

    Both sides count the same in learning; then the bias is set so that few validation images are
    taken for new ones.
    """
    drawn = np.random.default_rng(learning.seed).permutation(heard.passes.shape[1])[:N_OTHERS]
    others = heard.passes[np.arange(len(few)) % len(heard.passes)][:, drawn]
    new = few[:, np.arange(len(drawn)) % few.shape[1]]
    lessons = Lessons(
        np.concatenate([others, new], axis=1),
        np.repeat([0, 1], len(drawn)),
        np.concatenate([heard.validation, new[-1]]),
        np.repeat([0, 1], [len(heard.validation), len(drawn)]),
    )
    short = replace(learning, hidden=FEW_HIDDEN, min_steps=FEW_STEPS)
    module = learn_classes(lessons, lessons.validation_wanted, 2, CE, short)
    scores = run(module.scores, heard.validation).numpy()
    module.shift(1, -float(np.quantile(scores[:, 1] - scores[:, 0], NORMAL_SHARE)))
    return Decoder(module, Output.PROBABILITIES, ("other", name))


def add_decoder(request: Request) -> tuple[Bundle, str, dict[str, float]]:
    """Learn a decoder, measure and add it; the bundle, the decoder's name, and the figures."""
    Bundle.load(request.bundle, "node")
    bundle = Bundle.load(request.bundle, "host")
    data = load(
        request.dataset or bundle.data_set,
        request.data_dir,
        bundle.image.height,
        PhotoChoices.of_bundle(bundle),
    )
    if request.task in CLASS_TASKS:
        data = classes_of(request.task, data, request.data_dir)
    check_shape(data, bundle.image)
    if request.loss == KL and data.classes != bundle.classes:
        raise ExportError(
            "the loss kl learns what the bundle's own decoder says: it is for the bundle's own "
            "classes"
        )
    encode = received(encoder_of(bundle, request.threads), bundle.tables)
    may_come = received(as_may_come(bundle, request.threads), bundle.tables)
    if request.task == ANOMALY:
        return _add_anomaly(request, bundle, data, encode, may_come)
    new = None
    if request.task == NEW_CLASS:
        new = NewClass.find(
            request.examples, request.shots, request.seed, bundle.image, request.data_dir
        )
    heard = AtHost.of(data, encode, may_come)
    decoder = _learn(request, bundle, heard, new, may_come)
    name = request.name or _name(request, data, bundle, new)
    file = f"decoder-{name}.onnx"
    onnx_model.write_task(decoder.module, bundle.n_latents, decoder.output, bundle.path / file)
    figures = _measure(
        OnnxDecoder(bundle.path / file, bundle.n_latents, decoder.output),
        decoder,
        heard,
        new,
        encode,
    )
    entry = TaskEntry(
        file=file,
        output=decoder.output,
        classes=decoder.classes,
        learned=Learned(
            task=request.task, data_set=data.name, loss=request.loss, seed=request.seed
        ),
        measured=TaskMeasured(split="test", images=len(heard.test), others=figures),
    )
    return bundle.with_task(name, entry), name, figures


def _add_anomaly(
    request: Request, bundle: Bundle, data: DataSet, encode: Encode, may_come: Encode
) -> tuple[Bundle, str, dict[str, float]]:
    fitted = anomaly.fit(
        data, may_come, may_come(data.validation.images), encode(data.test.images), request.seed
    )
    name = request.name or ANOMALY
    entry = anomaly.write_task(fitted, data, bundle.n_latents, bundle.path / f"decoder-{name}.onnx")
    return bundle.with_task(name, entry), name, fitted.figures()


def _learn(
    request: Request, bundle: Bundle, heard: AtHost, new: NewClass | None, encode: Encode
) -> Decoder:
    learning = Learning(seed=request.seed)
    if new is not None:
        few = np.stack(
            [encode(images) for images in passes(new.few, heard.data.augmentation, FEW_PASSES)]
        )
        return new_class_decoder(heard, few, new.name, learning)
    if request.task == THUMBNAIL:
        return Decoder(
            learn_pixels(*thumbnail_lessons(heard), heard.data.image_shape, learning), Output.PIXELS
        )
    lessons = class_lessons(heard, request.loss, Classifier.of(bundle))
    return class_decoder(heard, lessons, request.loss, learning)


def _name(request: Request, data: DataSet, bundle: Bundle, new: NewClass | None) -> str:
    """label-svm, cifar100 for the classes of another data set, coarse, new-bicycle, …"""
    words = [request.task]
    if new is not None:
        words = ["new", new.name]
    elif request.task == LABEL:
        words = [LABEL, request.loss] if data.classes == bundle.classes else [data.name]
    return re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")[:40]


def _measure(
    decode: OnnxDecoder, decoder: Decoder, heard: AtHost, new: NewClass | None, encode: Encode
) -> dict[str, float]:
    """On the test split, by the file that the host will run."""
    data, answers = heard.data.test, decode(heard.test)
    if new is not None:
        figures = {"false_alarms": float((answers.argmax(1) == 1).mean())}
        if len(new.test):
            found = decode(encode(new.test)).argmax(1) == 1
            figures |= {"found": float(found.mean()), "images_of_new_class": len(found)}
        return figures
    if decoder.output == Output.PROBABILITIES:
        return {"accuracy": accuracy(answers, data.labels)}
    figures = {"psnr_db": float(psnr(answers, data.images).mean())}
    if min(data.images.shape[1:3]) > 2 * RADIUS:
        figures["ssim"] = float(ssim(answers, data.images).mean())
    return figures
