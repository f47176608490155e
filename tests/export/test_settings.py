from dataclasses import replace
from pathlib import Path

import pytest

from export import ExportError
from export.settings import Settings, load_data, n_transmitted, preset_name
from host_training.data.dataset import DataSetError, with_corrupted_labels
from host_training.models.autoencoder import AutoEncoder, ModelConfig
from host_training.presets import PRESETS
from host_training.training.checkpoint import Checkpoint

SETTINGS = Settings(Path("runs/digits-digits/duphil.pt"), Path("out"))


@pytest.mark.parametrize("name", PRESETS)
def test_a_checkpoint_is_traced_back_to_its_preset(name):
    preset = PRESETS[name].recipe
    config = ModelConfig.of(preset.model, (32, 32, 3), 10)
    recipe = replace(preset, seed=7)
    assert preset_name(config, recipe) == name
    shorter = replace(recipe, ce_epochs=3)
    found = preset_name(config, shorter)
    # two presets may differ by their length alone
    assert replace(PRESETS[found].recipe, seed=7, ce_epochs=3) == shorter
    assert preset_name(replace(config, hidden=77), recipe) == "custom"


def test_the_recorded_command_names_nothing_of_this_machine():
    settings = replace(
        SETTINGS, latents=8, data_dir=Path("/somewhere/data"), out=Path("/elsewhere"), threads=7
    )
    expected = "--latents 8 --components 1,10,16,64,256 --max-drop 1"
    assert (
        settings.command == f"python -m export --checkpoint runs/digits-digits/duphil.pt {expected}"
    )
    elsewhere = replace(settings, checkpoint=Path("/home/someone/ce.pt"))
    assert elsewhere.command == f"python -m export --checkpoint ce.pt {expected}"


def test_more_latents_than_there_are_cannot_be_sent():
    assert (n_transmitted(3, 2), n_transmitted(3, None)) == (2, 3)
    with pytest.raises(ExportError, match="4 latents asked for, the checkpoint has 3"):
        n_transmitted(3, 4)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"components": (0, 4)}, "at least 1"),
        ({"latents": 0}, "at least one"),
        ({"views": 3}, "one of 1, 2, 6"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change, sentence):
    with pytest.raises(ExportError, match=sentence):
        replace(SETTINGS, **change)


@pytest.fixture
def trained(checkpoint) -> Checkpoint:
    return Checkpoint.read(checkpoint)


def test_a_data_set_of_another_shape_is_refused(trained):
    other = AutoEncoder(replace(trained.model.config, height=32, width=32, channels=3))
    with pytest.raises(
        ExportError, match=r"images \(8, 8, 1\) of 10 classes.*trained on \(32, 32, 3\)"
    ):
        load_data(SETTINGS, replace(trained, model=other))


def test_a_data_set_that_is_not_there_is_named(trained):
    with pytest.raises(DataSetError, match="no-such-set"):
        load_data(replace(SETTINGS, dataset="no-such-set"), trained)


def test_images_other_than_those_trained_on_are_refused(trained):
    other = replace(trained.provenance, data_sha256="00" * 32)
    with pytest.raises(
        ExportError, match=r"not those that .* was trained on.*train again into another folder"
    ):
        load_data(SETTINGS, replace(trained, provenance=other))


def test_a_model_trained_on_corrupted_labels_is_exported_with_the_same_ones(trained):
    clean = load_data(SETTINGS, trained)
    recipe = replace(trained.provenance.recipe, label_corruption=0.5, corruption_seed=3)
    sha256 = with_corrupted_labels(clean, 0.5, seed=3).sha256
    origin = replace(trained.provenance, recipe=recipe, data_sha256=sha256)
    corrupted = load_data(SETTINGS, replace(trained, provenance=origin))
    assert 0.3 < (corrupted.train.labels != clean.train.labels).mean() < 0.6
    assert (corrupted.test.labels == clean.test.labels).all()
