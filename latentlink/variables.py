"""Variables: what may be said on `make`'s command line, checked before anything begins.

Values are read as they were typed: a blank, a quote or a dollar in one means itself.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from host_training.presets import DEFAULT_PRESETS, PRESETS
from host_training.presets.preset import N_VIEWS, ORDERS, STAGES
from host_training.run import DEFAULT_DATASET, RunError, Source
from host_training.training.recipe import SPLITS_BY
from link.emulator import parse_loss
from link.medium import PROFILES
from link.output import program

Check = Callable[[str], str]
"What is wrong with a value, as the end of a sentence;  if nothing is."

TASKS = ("label", "coarse", "fine", "living", "new-class", "anomaly", "thumbnail")
VIEWS = tuple(map(str, N_VIEWS))
LOSSES, SUITES = ("ce", "kl", "svm"), ("bookworm", "trixie")
TEAM_PRESET = "branch-"
"Begins the name of a preset of a team, before the number of its members."
RENAMED = {"FEEDBACK": "DOWNLINK", "HOST": "ADDRESS", "IMAGE": "SYSTEM_IMAGE"}
"What variables were called before this version."
MOST_MEMBERS = 32
MAKES_OWN = {"SHELL", "MAKEFLAGS", "MFLAGS", "GNUMAKEFLAGS", "MAKE"}


class VariableError(Exception):
    """Something said is unknown or impossible; the message says what there is instead."""


@dataclass(frozen=True)
class Variable:
    takes: str
    "As help shows it."
    text: str
    check: Check = lambda value: ""


def one_of(names: Iterable[str], kind: str) -> Check:
    def check(value: str) -> str:
        if value in names:
            return ""
        meant = program.did_you_mean(value, names)
        return f"there is no such {kind}; {meant}there are {', '.join(names)}"

    return check


def number(least: float, most: float = float("inf"), kind: type = int) -> Check:
    words = "a whole number" if kind is int else "a number"
    limits = f"from {least} on" if most == float("inf") else f"from {least} to {most}"

    def check(value: str) -> str:
        try:
            is_right = least <= kind(value) <= most
        except ValueError:
            is_right = False
        return "" if is_right else f"it must be {words} {limits}"

    return check


def only(*words: str) -> Check:
    return lambda value: (
        "" if value in words else f"it must be {' or '.join(words)}, or be left out"
    )


def _data_set(value: str) -> str:
    try:
        Source.of(value)
    except RunError as error:
        return str(error).partition("is ")[2]
    return ""


def _team(value: str) -> str:
    sizes = [name.removeprefix(TEAM_PRESET) for name in PRESETS if name.startswith(TEAM_PRESET)]
    if value in sizes:
        return ""
    return f"there is no preset {TEAM_PRESET}{value}; teams have {', '.join(sizes)} members"


def _link(value: str) -> str:
    return "" if value.startswith("/") else one_of(PROFILES, "line")(value)


def _loss(value: str) -> str:
    try:
        parse_loss(value)
    except ValueError as error:
        return str(error)
    return ""


def _bundle(value: str) -> str:
    if (Path(value).expanduser() / "manifest.json").is_file():
        return ""
    return f"there is no bundle in {value}; 'make export' writes one, BUNDLE= names another folder"


def _folder_to_be(value: str) -> str:
    return "it is a file, not a folder" if Path(value).expanduser().is_file() else ""


def _file(value: str) -> str:
    return "" if Path(value).expanduser().is_file() else "there is no such file"


def _members(value: str) -> str:
    return "" if re.fullmatch(r"\d+([ ,]+\d+)*", value) else "it must be numbers such as 0,1"


def _task_name(value: str) -> str:
    return (
        "" if re.fullmatch(r"[a-z0-9-]{1,40}", value) else "it must be up to 40 of a-z, 0-9 and '-'"
    )


def _examples(value: str) -> str:
    is_class = value.partition(":")[0] in DEFAULT_PRESETS and value.partition(":")[2]
    return (
        ""
        if is_class or Path(value).expanduser().is_dir()
        else "it must be a folder here, or DATASET:CLASS"
    )


VARIABLES: dict[str, Variable] = {
    "DATASET": Variable(
        f"{'|'.join(DEFAULT_PRESETS)}|FOLDER",
        "what is learned: a data set, or FOLDER with one folder of images per class",
        _data_set,
    ),
    "DATA_DIR": Variable("FOLDER", "where the CIFARs are, or are downloaded to (data)"),
    "PRESET": Variable(
        "|".join(PRESETS),
        "model and recipe (the run's, or the data set's)",
        one_of(PRESETS, "preset"),
    ),
    "IMAGE_SIZE": Variable(
        "PIXELS", "side to which a folder's images are resized (the preset's)", number(8, 4096)
    ),
    "SPLIT_BY": Variable(
        "series|random",
        "whether photos of one series may be in two splits of a folder (series)",
        one_of(SPLITS_BY, "way to split"),
    ),
    "FLIP": Variable(
        "yes|no", "mirror images in training (by data set and class names)", only("yes", "no")
    ),
    "ROTATION": Variable(
        "DEGREES", "rotate them so far in training (the data set's)", number(0, 180, float)
    ),
    "CROP": Variable(
        "0.6",
        "crop them in training, to this share of the side (the preset's)",
        number(0.1, 1, float),
    ),
    "SEED": Variable(
        "N", "of training; of losses on the line; of what is drawn", number(0, 2**31 - 1)
    ),
    "RATE": Variable(
        "NATS",
        "that a bit of an image is worth in training, 0.01 or so (the preset's)",
        number(0, 1, float),
    ),
    "START_FROM": Variable("CHECKPOINT", "begin with another run's weights", _file),
    "TEACHER": Variable("CHECKPOINT", "also learn a larger model's scores", _file),
    "RUN": Variable("FOLDER", "of the run (the newest of the data set that fits)", _folder_to_be),
    "STAGE": Variable(
        "ce|duphil|rate", "whose checkpoint is exported (the preset's)", one_of(STAGES, "stage")
    ),
    "LATENTS": Variable("N", "send only the N most useful latents", number(1, 4096)),
    "ORDER": Variable(
        "|".join(ORDERS), "what useful means (the preset's)", one_of(ORDERS, "order")
    ),
    "COARSENESS": Variable(
        "C",
        "above 1 for fewer bits in order of importance (the preset's)",
        number(0.01, 100, float),
    ),
    "VIEWS": Variable(
        "|".join(VIEWS),
        "how often the node looks at an image (the preset's)",
        one_of(VIEWS, "number of views"),
    ),
    "MAX_DROP": Variable("POINTS", "of accuracy that int8 may cost (1)", number(0, 100, float)),
    "BUNDLE": Variable("FOLDER", "a bundle (the newest of the data set)", _bundle),
    "LINK": Variable(
        "lora-sf7|rn2483-sf9|serial-9600|…", "the line; `python -m link profiles` lists them", _link
    ),
    "LOSS": Variable("none|0.1|mild|mid|edge|ge:p,r", "of frames (radio) or bytes (serial)", _loss),
    "IMAGES": Variable("N", "how many (all)", number(1)),
    "INTERVAL": Variable(
        "SECONDS", "at least, from one capture to the next", number(0, 86_400, float)
    ),
    "DOWNLINK": Variable("yes|no", "does the host answer (yes)", only("yes", "no")),
    "VERDICT": Variable(
        "0.95", "confidence at which the host wants no more of an image", number(0.001, 1, float)
    ),
    "FOG": Variable(
        "N", "members of a team that runs the encoder (preset branch-N)", number(2, MOST_MEMBERS)
    ),
    "KILL": Variable(
        "K", "members killed at a time, again and again (none)", number(1, MOST_MEMBERS - 1)
    ),
    "FIRST_CHUNK_BYTES": Variable("N", "of a bitstream in its first packet (all)", number(1, 4096)),
    "CHUNK_BYTES": Variable("N", "of a bitstream in each later packet", number(1, 4096)),
    "TASK": Variable("|".join(TASKS), "what a further decoder is asked", one_of(TASKS, "task")),
    "TASK_NAME": Variable(
        "NAME", "what the bundle calls it (after the task: new-bicycle)", _task_name
    ),
    "TASK_LOSS": Variable(
        "|".join(LOSSES), "what a decoder of classes learns by", one_of(LOSSES, "loss")
    ),
    "EXAMPLES": Variable("FOLDER|cifar100:bicycle", "of a new class", _examples),
    "SHOTS": Variable("N", "how many of them (20)", number(1)),
    "TARGET": Variable("/dev/sdX|FILE.img|FOLDER", "what becomes a node"),
    "SETTINGS": Variable("FILE", "the node's settings (node.toml)"),
    "HOST_DIR": Variable("FOLDER", "the host folder: host.toml, keys, nodes (~/latentlink)"),
    "HOST_TOML": Variable("FILE", "host.toml of a host folder, when it is called otherwise"),
    "HOST_PORT": Variable("/dev/ttyUSB0", "of the host's modem, for a host.toml that is made"),
    "SYSTEM_IMAGE": Variable("FILE.img", "is written to the whole target first"),
    "NODE": Variable("N", "instead of the number in the settings", number(1, 254)),
    "USER_NAME": Variable("NAME", "make this account, with SSH_KEY"),
    "SSH_KEY": Variable("FILE.pub", "may log in"),
    "CONFIRM": Variable("yes", "without it is only said what would be done", only("yes", "no")),
    "DRY_RUN": Variable("yes", "show everything, write nothing", only("yes", "no")),
    "REPLACE": Variable("yes", "the host forgets that number's former card", only("yes", "no")),
    "ADDRESS": Variable("NAME", "of the running node, as ssh takes it; of all of a team's"),
    "MEMBER": Variable("M", "only this one of a team, from 0; also made again", number(0, 31)),
    "PEERS": Variable("'HOST:PORT …'", "of each member of a team; % is its number"),
    "MULTICAST": Variable("GROUP:PORT", "that a team meets in (239.77.0.NODE:4310)"),
    "CAMERAS": Variable("0,1", "members of a team with a camera (all)", _members),
    "MODEMS": Variable("0,1", "members of a team with a modem (all)", _members),
    "PLACEMENT": Variable("FILE.json", "which members of a team compute what", _file),
    "WITHOUT": Variable("0,1", "members of a team that are away, and get it later", _members),
    "SUITE": Variable("|".join(SUITES), "of Debian (bookworm)", one_of(SUITES, "suite")),
    "MIRROR": Variable("URL", "of Debian's packages"),
    "RESULTS": Variable(
        "FOLDER", "where figures go (runs/results; the project's own are in results)", _folder_to_be
    ),
    "JOBS": Variable("N", "tests at a time (3: they wait as much as they compute)", number(1, 256)),
    "PYTHON": Variable("python3.11", "that .venv is made with"),
    "TORCH_INDEX": Variable("URL", "of an index of wheels, for PyTorch"),
    "V": Variable("1", "show the commands", only("1", "0")),
}

ALWAYS = ("PYTHON", "TORCH_INDEX", "V", "DATA_DIR")
PHOTOS = ("SPLIT_BY", "FLIP", "ROTATION", "CROP")
TRAIN = (
    "DATASET",
    "PRESET",
    "FOG",
    "IMAGE_SIZE",
    *PHOTOS,
    "SEED",
    "RATE",
    "START_FROM",
    "TEACHER",
    "RUN",
)
EXPORT = (*TRAIN, "STAGE", "LATENTS", "ORDER", "COARSENESS", "VIEWS", "MAX_DROP", "RESULTS")
BUNDLE = (*EXPORT, "BUNDLE")
LINE = (
    "LINK",
    "LOSS",
    "IMAGES",
    "INTERVAL",
    "DOWNLINK",
    "VERDICT",
    "FIRST_CHUNK_BYTES",
    "CHUNK_BYTES",
)
MIRROR = ("SUITE", "MIRROR")
TEAM = ("FOG", "MEMBER", "PEERS", "MULTICAST", "CAMERAS", "MODEMS", "PLACEMENT")

TARGETS: dict[str, tuple[str, ...]] = {
    "train": TRAIN,
    "export": EXPORT,
    "decoder": (*BUNDLE, "TASK", "TASK_NAME", "TASK_LOSS", "EXAMPLES", "SHOTS"),
    "live": (*BUNDLE, *LINE, "KILL"),
    "global": ("RUN", "SEED", "RESULTS", *LINE),
    "bench": (*BUNDLE, "IMAGES"),
    "seeds": ("DATASET", "LINK", "RESULTS"),
    "verdicts": BUNDLE,
    "flash": (
        "TARGET",
        "SETTINGS",
        "HOST_DIR",
        "HOST_TOML",
        "HOST_PORT",
        "SYSTEM_IMAGE",
        "NODE",
        "USER_NAME",
        "SSH_KEY",
        "CONFIRM",
        "DRY_RUN",
        "REPLACE",
        *TEAM,
    ),
    "image": MIRROR,
    "test-image": (*MIRROR, "RESULTS"),
    "test-scenarios": (*MIRROR, "RESULTS"),
    "test-power-cuts": (*MIRROR, "RESULTS"),
    "deploy": ("ADDRESS", "FOG"),
    "deploy-model": (
        "ADDRESS",
        "FOG",
        "WITHOUT",
        "HOST_DIR",
        "HOST_TOML",
        "BUNDLE",
        "DATASET",
        "RUN",
        "PRESET",
    ),
    "test": ("JOBS",),
    "nightly": ("RESULTS",),
    "clean-runs": ("CONFIRM", "RUN"),
}
"What each target takes besides ALWAYS; the others take nothing more."


def read_flags(make_flags: str) -> tuple[bool, dict[str, str]]:
    """From MAKEFLAGS as make hands it on: is everything only to be shown (-n), and NAME=VALUE of
    the command line.
    """
    flags, _, rest = (" " + make_flags).partition(" -- ")
    words = re.findall(r"(?:\\.|\S)+", rest, re.DOTALL)
    said = [
        re.sub(r"\\(.)", r"\1", word, flags=re.DOTALL).replace("$$", "$").partition("=")
        for word in words
    ]
    first = flags.split(" ")[1] if flags.startswith(" ") and len(flags) > 1 else ""
    return "n" in first and not first.startswith("-"), {
        name.rstrip(":+?"): value for name, _, value in said
    }


def read(make_flags: str, environment: Mapping[str, str], targets: Iterable[str]) -> dict[str, str]:
    """What is said to these targets, by name; from the environment only what they take. Errors name
    what is wrong.
    """
    takes = {*ALWAYS, *(name for target in targets for name in TARGETS.get(target, ()))}
    typed = {
        name: value for name, value in read_flags(make_flags)[1].items() if name not in MAKES_OWN
    }
    for name in typed:
        if name not in VARIABLES:
            meant = program.did_you_mean(name, VARIABLES, RENAMED)
            raise VariableError(f"there is no variable {name}; {meant}`make help` lists them")
        if name not in takes:
            known = ", ".join(each for each in VARIABLES if each in takes)
            raise VariableError(f"{' '.join(targets) or 'this'} takes no {name}; it takes {known}")
    said = {name: environment[name] for name in takes if name in environment} | typed
    said = {name: value for name, value in said.items() if value}
    for name, value in said.items():
        if why := VARIABLES[name].check(value):
            raise VariableError(f"{name}={value}: {why}")
    if "PRESET" in takes:
        _take_team(said)
    if "DATASET" in said or not {"RUN", "BUNDLE"} & said.keys():
        source = Source.of(said.get("DATASET", DEFAULT_DATASET))
        if "PRESET" in said:
            source.check_preset(said["PRESET"])
        if "IMAGE_SIZE" in said and source.folder is None:
            raise VariableError(
                f"IMAGE_SIZE is for a folder of images; those of {source.name} have a size of "
                "their own"
            )
    return said


def _take_team(said: dict[str, str]) -> None:
    """FOG names the preset, unless a run or a bundle is named."""
    is_named = bool({"RUN", "BUNDLE"} & said.keys())
    if "FOG" in said:
        preset = f"{TEAM_PRESET}{said['FOG']}"
        if said.get("PRESET", preset) != preset:
            raise VariableError(
                f"FOG={said['FOG']} takes the preset {preset}, and PRESET={said['PRESET']} is "
                "another; leave one of the two out"
            )
        if int(said.get("KILL", 0)) >= int(said["FOG"]):
            raise VariableError(
                f"KILL={said['KILL']}: of {said['FOG']} members at least one must live"
            )
        if not is_named:
            if why := _team(said["FOG"]):
                raise VariableError(f"FOG={said['FOG']}: {why}")
            said["PRESET"] = preset
    elif "KILL" in said and not is_named and TEAM_PRESET not in said.get("PRESET", ""):
        raise VariableError(f"KILL={said['KILL']}: only a team has members; say FOG=7 too")


def help_text() -> str:
    lines = []
    for name, variable in VARIABLES.items():
        takes = variable.takes if len(variable.takes) <= 40 else variable.takes.split("|")[0] + "|…"
        lines.append(f"  {name + '=' + takes:<52} {variable.text}")
    return "\n".join(
        [
            *("Variables:", *lines, "", "Data sets: " + ", ".join(DEFAULT_PRESETS)),
            *("Presets: " + ", ".join(PRESETS), "Tasks: " + ", ".join(TASKS)),
        ]
    )
