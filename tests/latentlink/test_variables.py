"""What is said to `make` arrives as it was typed, or is refused with what there is instead."""

import subprocess
from pathlib import Path

import pytest

from device.flash.rootfs import PYTHON_OF
from export import settings
from export.decoders import networks
from export.decoders import questions as tasks
from export.encoder import fold
from host_training.run import RunError
from latentlink import variables
from latentlink.variables import ALWAYS, TARGETS, VARIABLES, VariableError, read, read_flags
from tests.programs import program

ROOT = Path(__file__).parent.parent.parent
UNEXPORT = "unexport $(foreach n,$(.VARIABLES),$(if $(filter command,$(origin $(n))),$(n)))\n"
SHOW = 'show:\n\t@printf %s "$$MAKEFLAGS"\n' + UNEXPORT


@pytest.mark.parametrize(
    "value",
    [
        "my photos",
        "it's",
        'a "b"',
        "$x",
        "$(shell touch pwned)",
        "$$",
        "a\\b",
        "a;b&c|d",
        "#1",
        "-- X=1",
        "ä ö",
        "a ",
        "",
    ],
)
def test_a_value_arrives_as_it_was_typed(tmp_path, value):
    (tmp_path / "Makefile").write_text(SHOW)
    words = [program("make"), "-s", "show", f"RUN={value}", "SEED=1"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert read_flags(done.stdout) == (False, {"RUN": value, "SEED": "1"})
    assert [path.name for path in tmp_path.iterdir()] == ["Makefile"]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("", (False, {})),
        ("n", (True, {})),
        ("kn -j2 --jobserver-auth=3,4 -- SEED=1", (True, {"SEED": "1"})),
        ("k -j2 --no-print-directory", (False, {})),
        (" -- SEED:=1", (False, {"SEED": "1"})),
    ],
)
def test_flags_are_told_from_values(flags, expected):
    assert read_flags(flags) == expected


@pytest.mark.parametrize(
    ("target", "said", "sentence"),
    [
        ("live", "dataset=cifar10", "there is no variable dataset; did you mean DATASET?"),
        ("live", "DOWNLINK=maybe", "DOWNLINK=maybe: it must be yes or no"),
        ("live", "FEEDBACK=no", "there is no variable FEEDBACK; did you mean DOWNLINK?"),
        ("deploy", "HOST=node-1", "there is no variable HOST; did you mean ADDRESS?"),
        ("live", "LINK=loraa", "LINK=loraa: there is no such line; .*lora-sf7"),
        ("live", "IMAGES=-3", "IMAGES=-3: it must be a whole number from 1 on"),
        ("live", "IMAGES=many", "IMAGES=many: it must be a whole number"),
        ("live", "LOSS=medium", "LOSS=medium: .*none, mild, mid, edge"),
        ("live", "VERDICT=95", "VERDICT=95: it must be a number from 0.001 to 1"),
        ("live", "FOG=5", "FOG=5: there is no preset branch-5; teams have 3, 7, 13 members"),
        ("train", "KILL=1", "train takes no KILL"),
        ("live", "INTERVAL=nan", "INTERVAL=nan: it must be a number"),
        ("live", "BUNDLE=nowhere", "there is no bundle in nowhere"),
        ("train", "SEED=abc", "SEED=abc: it must be a whole number from 0 to"),
        ("train", "PRESET=phot", "PRESET=phot: there is no such preset; did you mean photo?"),
        (
            "train",
            "DATASET=nowhere",
            "DATASET=nowhere: neither digits, cifar10, .* nor a folder here",
        ),
        ("train", "TEACHER=nowhere.pt", "TEACHER=nowhere.pt: there is no such file"),
        ("train", "IMAGES=3", "train takes no IMAGES; it takes DATASET, "),
        ("export", "STAGE=both", "STAGE=both: there is no such stage; there are ce, duphil"),
        ("decoder", "TASK=colour", "TASK=colour: there is no such task; .*label, coarse"),
        ("flash", "CONFIRM=ja", "CONFIRM=ja: it must be yes"),
        ("flash", "FOG=1", "FOG=1: it must be a whole number from 2 to 32"),
        ("flash", "MODEMS=all", "MODEMS=all: it must be numbers such as 0,1"),
        ("flash", "NODE=0", "NODE=0: it must be a whole number from 1 to 254"),
        (
            "train",
            "IMAGE_SIZE=32",
            "IMAGE_SIZE is for a folder of images; those of digits have a size of their own",
        ),
        ("lint", "JOBS=2", "lint takes no JOBS"),
    ],
)
def test_what_is_unknown_or_impossible_is_refused_with_what_there_is(target, said, sentence):
    with pytest.raises(VariableError, match=sentence):
        read(f" -- {said}", {}, [target])


def test_a_preset_of_another_data_set_is_refused():
    with pytest.raises(RunError, match="preset 'digits' does not fit cifar10; these do: cifar-16"):
        read(" -- DATASET=cifar10 PRESET=digits", {}, ["train"])
    assert read(" -- DATASET=digits PRESET=narrow-5", {}, ["train"])["PRESET"] == "narrow-5"


def test_the_environment_says_what_a_target_takes_and_the_command_line_has_the_last_word():
    environment = {
        "DATASET": "cifar100",
        "SYSTEM_IMAGE": "ubuntu",
        "SEED": "",
        "HOME": "/root",
    }
    assert read("", environment, ["train"]) == {"DATASET": "cifar100"}
    assert read(" -- DATASET=digits", environment, ["train"]) == {"DATASET": "digits"}


def test_what_is_not_said_is_not_wrong():
    assert read(" -- DATASET= SEED= LINK=", {}, ["live"]) == {}


def test_words_of_other_packages_are_theirs():
    assert set(variables.TASKS) == set(tasks.TASKS)
    assert variables.ORDERS == settings.ORDERS
    assert tuple(map(str, fold.VIEWS)) == variables.VIEWS
    assert variables.LOSSES == networks.LOSSES
    assert tuple(PYTHON_OF) == variables.SUITES


def test_every_variable_is_taken_by_a_target_and_shown_by_help():
    taken = {*ALWAYS, *(name for names in TARGETS.values() for name in names)}
    assert taken == set(VARIABLES)
    shown = variables.help_text()
    assert all(f"\n  {name}=" in shown for name in VARIABLES)
    assert all(preset in shown for preset in variables.PRESETS)
    assert all(data_set in shown for data_set in variables.DEFAULT_PRESETS)


def test_a_team_of_so_many_is_the_preset_of_that_name():
    said = read(" -- FOG=7 KILL=2", {}, ["live"])
    assert said == {"FOG": "7", "KILL": "2", "PRESET": "branch-7"}
    assert read(" -- FOG=7 RUN=runs/mine", {}, ["live"]).get("PRESET") is None
    assert read(" -- FOG=5", {}, ["flash"]) == {"FOG": "5"}


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("FOG=7 PRESET=digits", "FOG=7 takes the preset branch-7, and PRESET=digits is another"),
        ("FOG=3 KILL=3", "KILL=3: of 3 members at least one must live"),
        ("KILL=1", "KILL=1: only a team has members; say FOG=7 too"),
    ],
)
def test_a_team_that_cannot_be_is_a_sentence(said, sentence):
    with pytest.raises(VariableError, match=sentence):
        read(f" -- {said}", {}, ["live"])
