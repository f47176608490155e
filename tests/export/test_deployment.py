"""What is deployed is worth what its report says, and each step writes its file."""

import numpy as np

from export.deployment import N_CALIBRATION_IMAGES, first, fit_tables, some_images, symbols_of
from host_training.data.catalogue import load
from link.bundle.bundle import Bundle
from link.coder import latent_coder
from link.coder.tables import Tables


def test_images_are_drawn_the_same_each_time_and_no_more_than_there_are():
    data = load("digits")
    assert (
        some_images(data, N_CALIBRATION_IMAGES) == some_images(data, N_CALIBRATION_IMAGES)
    ).all()
    assert len(some_images(data, N_CALIBRATION_IMAGES)) == N_CALIBRATION_IMAGES
    assert (some_images(data, 10**6) == data.train.images).all()
    assert len(first(data.test, 10**6)) == len(data.test)


def test_the_tables_in_the_folder_are_those_chosen(tmp_path):
    data = load("digits")
    symbols = symbols_of(data, lambda images: (images[:, 3, 2:6, 0] // 32).astype(np.int8))
    said: list[str] = []
    fitted = fit_tables(data, symbols, None, (1, 5, 10), tmp_path, said.append)
    assert [candidate.n_components for candidate in fitted.candidates] == [1, 5, 10]
    assert len(said) == 3
    stored = Tables.from_npz(tmp_path / "tables.npz")
    assert stored.n_components == fitted.chosen.n_components
    assert fitted.chosen.validation_bits == min(one.validation_bits for one in fitted.candidates)


def test_what_is_deployed_is_what_the_bundle_claims(exported):
    deployed, bundle = exported.report.deployed, Bundle.load(exported.settings.out, "host")
    assert bundle.measured.accuracy == deployed.accuracy
    assert bundle.measured.bytes_per_image == deployed.coded.mean_bytes
    assert bundle.calibration == deployed.calibration.calibration
    assert bundle.task("anomaly").threshold == round(deployed.anomaly.threshold, 4)
    assert bundle.n_latents == deployed.n_latents
    lengths = [len(latent_coder.encode(one, bundle.tables)) for one in deployed.symbols["test"]]
    assert deployed.coded.n_bytes.tolist() == lengths
    right = deployed.answers.argmax(1) == deployed.data.test.labels
    assert right.mean() == deployed.accuracy
