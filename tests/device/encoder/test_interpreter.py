"""The TFLite runtime is chosen by what it computes, not by what can be imported."""

import subprocess
import sys

import pytest

from device.encoder import interpreter
from device.encoder.interpreter import RuntimeMissingError, fault_of, working_runtime
from tests.programs import program


@pytest.fixture(autouse=True)
def _forget_the_choice():
    working_runtime.cache_clear()
    yield
    working_runtime.cache_clear()


@pytest.fixture
def broken_runtime(tmp_path, monkeypatch):
    """Makes a package that can be imported and breaks in the given way when it is used."""

    def make(name, body):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
        (tmp_path / name / "interpreter.py").write_text(body)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return name

    return make


def test_litert_is_chosen_here():
    assert fault_of("ai_edge_litert") is None
    assert working_runtime() == "ai_edge_litert"


def test_tflite_runtime_is_judged_by_its_result_too():
    pytest.importorskip("tflite_runtime")
    assert fault_of("tflite_runtime") is None


def test_a_runtime_that_imports_and_then_fails_is_passed_over(broken_runtime, monkeypatch):
    body = (
        "class Interpreter:\n    def __init__(self, *_, **__): raise SystemError('_ARRAY_API not "
        "found')"
    )
    name = broken_runtime("imports_only", body)
    assert "_ARRAY_API not found" in str(fault_of(name))
    monkeypatch.setattr(interpreter, "RUNTIMES", (name, "ai_edge_litert"))
    assert working_runtime() == "ai_edge_litert"


def test_a_runtime_that_kills_its_process_does_not_kill_the_node(broken_runtime):
    body = "import os, signal\nos.kill(os.getpid(), signal.SIGILL)"
    assert fault_of(broken_runtime("wrong_processor", body)) == "died by signal 4"


def test_a_runtime_that_computes_something_else_is_passed_over(broken_runtime):
    body = """
from ai_edge_litert.interpreter import Interpreter as Right
class Interpreter(Right):
    def get_tensor(self, index): return super().get_tensor(index) // 2
"""
    assert "is right" in str(fault_of(broken_runtime("computes_wrong", body)))


def test_without_any_runtime_the_message_says_what_each_did_and_what_to_install(monkeypatch):
    monkeypatch.setattr(interpreter, "RUNTIMES", ("no_such_runtime", "neither_this_one"))
    with pytest.raises(
        RuntimeMissingError,
        match=r"no_such_runtime: .*No module.*neither_this_one: .*pip install '.*\[node\]'$",
    ):
        working_runtime()


def test_importing_the_node_leaves_the_heavy_libraries_out():
    code = (
        "import sys, device, device.node, device.console, device.__main__;print([name for name in "
        "('torch', 'tensorflow', 'onnx', 'onnxruntime', 'cv2', 'PIL') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_library_s_information_is_left_out_and_its_warnings_are_not():
    """What LiteRT tells of its delegate stood above every node's first line."""
    loads = """
import os, sys
from device.encoder.interpreter import SELFTEST_MODEL, load_model
from link.output.terminal import without_information
load_model(SELFTEST_MODEL)
with without_information():
    os.write(2, b"INFO: made\\nWARNING: old\\n")
print("done", file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True)
    assert done.stderr == "WARNING: old\ndone\n"
    subprocess.run(
        [program("sh"), "-c", '"$0" -c "$1" 2>&-', sys.executable, loads.partition("\nwith ")[0]],
        check=True,
    )
