"""Whether an Edge TPU is used, decided with real libraries in the place of libedgetpu.so.1, none of
them a Coral's.

One is a delegate that takes no operator, so the processor computes inside it; the others fail as a
real one does without its device, and with a runtime it was not built for. What a Coral computes is
not tested: there is none here.
"""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from device.config import load_config
from device.encoder.edgetpu import COMPILED, LIBRARY, is_wanted
from device.encoder.loading import load
from tests.programs import needs, program

pytestmark = needs("cc")

DELEGATE = """
#include <stddef.h>
#include <stdint.h>
struct delegate { void *data; int (*prepare)(void *, void *);
                  void *copy_from, *copy_to, *free_handle; int64_t flags; void *opaque; };
static int prepare(void *context, void *self) { return 0; }
static struct delegate it = { .prepare = prepare };
void *tflite_plugin_create_delegate(
    char **keys, char **values, size_t n, void (*report)(const char *)) { %s }
void tflite_plugin_destroy_delegate(void *it) {}
"""
WORKS = "return &it;"
NO_DEVICE = 'report("no device"); return NULL;'
OTHER_ABI = "*(volatile int *)0 = 1; return NULL;"
SCRIPT = """
import sys
import numpy as np
from pathlib import Path
from device.encoder.loading import load
encoder = load(Path(sys.argv[1]), None, wants_edgetpu=True).encoder
print(encoder.notice)
print(*encoder(np.load(sys.argv[2])).tolist())
"""


@pytest.fixture
def libraries(tmp_path):
    """Makes the library with that body; the folder to look for it in."""

    def make(body: str):
        (tmp_path / "lib").mkdir(exist_ok=True)
        words = [
            program("cc"),
            "-shared",
            "-fPIC",
            "-x",
            "c",
            "-",
            "-o",
            tmp_path / "lib" / LIBRARY,
        ]
        subprocess.run(words, input=(DELEGATE % body).encode(), check=True)
        return tmp_path / "lib"

    return make


@pytest.fixture
def run(bundle, images, tmp_path):
    """What a process that looks for libraries there says, and its symbols of the first image."""

    def run(folder=None):
        np.save(tmp_path / "image.npy", images[0])
        environment = os.environ | {"LD_LIBRARY_PATH": str(folder or tmp_path)}
        command = [sys.executable, "-c", SCRIPT, str(bundle.path), str(tmp_path / "image.npy")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        notice, words = done.stdout.splitlines()
        return notice, [int(word) for word in words.split()]

    return run


def test_the_environment_has_the_last_word(home):
    assert not load_config(home.config()).edgetpu
    assert load_config(home.config(node="edgetpu = true")).edgetpu
    assert [
        is_wanted(True, {}),
        is_wanted(True, {"EDGETPU": "0"}),
        is_wanted(False, {"EDGETPU": "1"}),
    ] == [
        True,
        False,
        True,
    ]
    assert not is_wanted(False, {"EDGETPU": ""})


def test_without_a_compiled_model_the_processor_computes(run, libraries, symbols):
    notice, computed = run(libraries(WORKS))
    assert notice == (
        "no Edge TPU is used, the processor computes: "
        f"the bundle has no {COMPILED}; export it where edgetpu_compiler is installed"
    )
    assert computed == symbols[0].tolist()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (None, "cannot open shared object file"),
        (NO_DEVICE, "no device"),
        (OTHER_ABI, "died by signal 11"),
    ],
)
def test_what_is_missing_is_said_in_one_line_and_the_processor_computes(
    run, libraries, bundle, symbols, body, why
):
    shutil.copy(bundle.encoder_path, bundle.path / COMPILED)
    notice, computed = run(libraries(body) if body else None)
    assert notice.startswith(f"no Edge TPU is used, the processor computes: {LIBRARY}: ")
    assert why in notice
    assert computed == symbols[0].tolist()


def test_a_delegate_that_works_is_used(run, libraries, bundle, symbols):
    shutil.copy(bundle.encoder_path, bundle.path / COMPILED)
    notice, computed = run(libraries(WORKS))
    assert notice == "the Edge TPU computes"
    assert computed == symbols[0].tolist()


def test_a_compiled_model_that_is_none_is_no_reason_to_stop(run, libraries, bundle, symbols):
    (bundle.path / COMPILED).write_bytes(b"half a model")
    notice, computed = run(libraries(WORKS))
    assert "no Edge TPU is used" in notice
    assert computed == symbols[0].tolist()


def test_one_that_fails_the_canary_is_not_used(
    run, libraries, bundle, make_bundle, images, symbols, tmp_path
):
    """The compiled model is another one's: it runs, and computes something else."""
    from device.encoder.canary import CANARY, make_canary

    (bundle.path / CANARY).write_bytes(make_canary(bundle))
    model = bytearray(bundle.encoder_path.read_bytes())
    weights = load(bundle.path, None).encoder._model._interpreter
    largest = max(weights.get_tensor_details(), key=lambda one: np.prod(one["shape"]))
    content = weights.get_tensor(largest["index"]).tobytes()
    place = bytes(model).index(content)
    model[place : place + len(content)] = content[::-1]
    (bundle.path / COMPILED).write_bytes(model)
    notice, computed = run(libraries(WORKS))
    assert "no Edge TPU is used" in notice
    assert "does not compute here what it computes on its host" in notice
    assert computed == symbols[0].tolist()
