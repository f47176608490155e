"""What the host of a run gives its devices, and the sentence for each file that is wrong."""

import numpy as np
import pytest

from device.training.run_folder import RunFolder, RunFolderError
from tests.worlds.learning_device import SERVER_KEY, LearningDevice


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    return LearningDevice(tmp_path).run


def test_all_that_a_device_needs_is_there(folder):
    assert folder.layout.size == folder.network.n_weights == len(folder.initial)
    assert folder.layout.names == tuple(folder.network.parameters)
    assert folder.initial.dtype == np.float32
    assert folder.server.public_bytes_raw() == SERVER_KEY.public_key().public_bytes_raw()
    assert folder.classes[:2] == ("digit 0", "digit 1")
    (folder.path / "classes.json").unlink()
    assert folder.classes[:2] == ("0", "1")


@pytest.mark.parametrize(
    ("name", "content", "what", "sentence"),
    [
        ("settings.json", b"{}", "settings", "settings.json: the settings of the run name no net"),
        ("network.json", b"[]", "network", "describes network 4f53cda18c2baa0c, the settings are"),
        ("initial.npy", b"no", "initial", "initial.npy holds no weights of this network"),
        ("server.pub", b"no", "server", "server.pub is no public key; copy it"),
        ("classes.json", b'["a"]', "classes", "is no JSON list of 10 names"),
        ("classes.json", b'"0123456789"', "classes", "is no JSON list of 10 names"),
    ],
)
def test_a_file_that_is_wrong_is_named(folder, name, content, what, sentence):
    (folder.path / name).write_bytes(content)
    with pytest.raises(RunFolderError, match=sentence):
        getattr(RunFolder(folder.path), what)


def test_a_file_that_is_missing_is_named(folder):
    (folder.path / "settings.json").unlink()
    with pytest.raises(RunFolderError, match=r"settings.json cannot be read \(No such file"):
        _ = RunFolder(folder.path).settings


def test_weights_of_another_network_are_refused(folder):
    np.save(folder.path / "initial.npy", np.zeros(7, np.float32))
    with pytest.raises(RunFolderError, match="holds no weights of this network"):
        _ = folder.initial
