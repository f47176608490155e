"""What a preset says of itself is so: its figures are those of the results files, and its recipe
is the one that was measured.
"""

import hashlib
import json
import re
import statistics
from dataclasses import asdict

import pytest

from host_training.data.catalogue import LOADERS
from host_training.presets import DEFAULT_PRESETS, FOLDER_PRESET, PRESETS, fitting_presets, recipe
from host_training.presets.preset import N_VIEWS, ORDERS, STAGES
from host_training.training.recipe import Recipe
from link.output.results import FOLDER

MEASURED = {
    "digits": "debfff7739b5b5e3",
    "cifar-16-short": "c3bb4fd0b8c01200",
    "cifar-32-quick": "4bc0e48cdf83ff67",
    "cifar-32-fine": "2bd55bd5845d0ddb",
    "photo-32": "f0a0a3bdf58628dd",
    "photo": "c102014c8532907f",
    "photo-large": "cba529d8df30fe25",
    "photo-small": "0f8c65e47a37c057",
    "narrow-5": "6279d85a8700e290",
    "narrow-20": "9e86b2b992e746ce",
    "plain-20": "6723b46a55449d37",
    "plain-20-medium": "e6caa855bd78f08e",
    "plain-20-fine": "140a18bb726bb1a5",
    "wide-70": "b3847324d13ee99a",
    "wide-70-long": "675ed7ea7236096e",
    "wide-70-fine": "ca462294eb783a59",
    "plain-5-long": "2408204103e1c789",
    "plain-20-long": "fe3b345e2ec8fe71",
    "plain-120": "803c6769021d7e78",
    "branch-7": "c55d4d53fe1f3bad",
}
"A SHA-256 of each."


def figures_of(study: str) -> dict[str, float]:
    return json.loads((FOLDER / f"{study}.json").read_text())["figures"]


def with_seeds(study: str) -> list[dict[str, float]]:
    """A study of one seed and those of the others beside it."""
    names = [path.stem for path in FOLDER.glob(f"{study}*.json")]
    return [figures_of(name) for name in names if re.fullmatch(rf"{study}(-seed-\d+)?", name)]


def claims(study: str) -> list[tuple[float, float, float | None]]:
    """What a results file says: accuracy, bytes and the accuracy's spread over seeds, if any."""
    figures = figures_of(study)
    if study.startswith("seeds"):
        spread = figures["live_accuracy_stdev"]
        return [(figures["live_accuracy_mean"], figures["live_bytes_per_image_mean"], spread)]
    if study.startswith("photos"):
        return [(figures["accuracy"], figures["bytes_per_image"], figures.get("accuracy_std"))]
    if study.startswith("study-fog"):
        of_seeds = figures.get("accuracy_all_alive_stdev")
        return [(figures["accuracy_all_alive"], figures["uplink_bytes"], of_seeds)]
    if study.startswith("study"):
        return [
            (figures[f"{name}_duphil_accuracy_mean"], figures[f"{name}_duphil_bytes_mean"], None)
            for name in ("cifar10", "cifar100")
            if f"{name}_duphil_accuracy_mean" in figures
        ]
    each = with_seeds(study)
    accuracies = [one.get("int8_accuracy", one.get("accuracy", 0.0)) for one in each]
    n_bytes = statistics.mean(one["bytes_per_image"] for one in each)
    spread_of_seeds = statistics.stdev(accuracies) if len(each) > 1 else None
    return [(statistics.mean(accuracies), n_bytes, spread_of_seeds)]


CLAIMS = [(name, study) for name, preset in PRESETS.items() for study in preset.results]


@pytest.mark.parametrize(("name", "study"), CLAIMS)
def test_a_claim_is_what_its_results_file_says(name, study):
    about = PRESETS[name].about
    for accuracy, n_bytes, spread in claims(study):
        more = "" if spread is None else rf" ± {100 * spread:.2f}"
        assert re.search(rf"{100 * accuracy:.2f}{more}( %)? from {n_bytes:.2f}", about), about


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if not preset.results])
def test_a_preset_without_a_result_says_so(name):
    assert "ot measured" in PRESETS[name].about


LATER = (
    "flip",
    "rotation_degrees",
    "crop",
    "split_by",
    "backbone_learning_rate",
    "head_epochs",
    "front_views",
    "rate_weight",
    "rate",
    "rate_epochs",
    "rate_components",
    "rate_learning_rate",
)
"Fields of a recipe that came after recipes had been measured."


@pytest.mark.parametrize("name", MEASURED)
def test_a_recipe_that_was_measured_stays_the_one_that_was(name):
    fields = asdict(PRESETS[name].recipe)
    usual = asdict(Recipe())
    for key in LATER:  # what later recipes may say and these do not
        if fields[key] == usual[key]:
            del fields[key]
    for key in ("team", "backbone"):
        if fields["model"][key] is None:
            del fields["model"][key]
    written = json.dumps(fields, sort_keys=True)
    assert hashlib.sha256(written.encode()).hexdigest()[:16] == MEASURED[name]


def test_every_measured_preset_is_held_to_its_recipe():
    assert [*MEASURED] == [name for name, preset in PRESETS.items() if preset.results]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_names_what_there_is(name):
    preset = PRESETS[name]
    assert preset.stage in STAGES
    assert getattr(preset.recipe, f"{preset.stage}_epochs") > 0
    assert preset.order in ORDERS
    assert preset.views in N_VIEWS
    assert {preset.teacher, preset.start_from} <= {None, *PRESETS}


def test_every_data_set_that_has_a_name_has_a_preset():
    assert [*DEFAULT_PRESETS] == [*LOADERS]
    assert sum(len(preset.default_for) for preset in PRESETS.values()) == len(DEFAULT_PRESETS)
    assert FOLDER_PRESET in PRESETS


def test_only_the_digits_are_trained_by_the_preset_of_the_digits():
    assert "digits" in fitting_presets("digits")
    assert "digits" not in fitting_presets("cifar10")
    assert "photo" not in fitting_presets("cifar10")
    assert {"photo", "photo-32"} <= set(fitting_presets("my photos"))


def test_what_is_not_said_of_a_recipe_is_as_the_preset_has_it():
    assert recipe("digits", seed=3, ce_epochs=None) == recipe("digits", seed=3)


def test_an_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"cifar-8.*digits, cifar-16, cifar-16-short"):
        recipe("cifar-8")
