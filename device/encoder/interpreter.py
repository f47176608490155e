"""The TFLite runtime: LiteRT where it works, else tflite-runtime; a runtime works when it has run a
model.

A broken pair imports without complaint (tflite-runtime beside NumPy 2 fails when it is called) or
dies by a signal (a wheel made for a newer processor), so each candidate runs a tiny model in a
process of its own first.

selftest.tflite is one int8 convolution, 4 x 4 x 2 to 4 x 4 x 2 with a 3 x 3 kernel and ReLU. It was
made once with TensorFlow 2.19: kernel arange(-18, 18).reshape(3, 3, 2, 2) / 64, padding SAME,
calibrated on an image of -1 and on uniform noise between -1 and 1; then its metadata and signature
were taken off.
"""

import importlib
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from link.base import extras
from link.output import without_information

RUNTIMES = ("ai_edge_litert", "tflite_runtime")
"In order of preference: LiteRT computes int8 five times faster, and the same on every processor."
SELFTEST_MODEL = Path(__file__).with_name("selftest.tflite")
SELFTEST_OUTPUT = (
    *(-128, -128, -128, -128, -128, -128, -118, -127, 9, -7, 127, 109, 122, 109, 40, 34),
    *(27, 30, 102, 109, 95, 109, -14, -2, -128, -121, -128, -128, -128, -128, -128, -128),
)
"For the input arange(-128, 128, 8); runtimes may differ by 1."
SELFTEST_TIMEOUT_S = 60
SELFTEST = """
import importlib, sys
import numpy as np
runtime, model = sys.argv[1:]
interpreter = importlib.import_module(runtime + ".interpreter").Interpreter(model, num_threads=1)
interpreter.allocate_tensors()
[taken], [given] = interpreter.get_input_details(), interpreter.get_output_details()
image = np.arange(-128, 128, 8, dtype=np.int8).reshape(taken["shape"])
interpreter.set_tensor(taken["index"], image)
interpreter.invoke()
print(*interpreter.get_tensor(given["index"]).ravel().tolist())
"""


class RuntimeMissingError(Exception):
    """No TFLite runtime works on this machine; the message says what each one did."""


def load_model(model: Path) -> Any:
    """An interpreter of that model on one thread, tensors allocated, by what runtime works here."""
    runtime = importlib.import_module(working_runtime() + ".interpreter")
    with without_information():
        interpreter = runtime.Interpreter(str(model), num_threads=1)
        interpreter.allocate_tensors()
    return interpreter


@cache
def working_runtime() -> str:
    """The first of RUNTIMES that computes the tiny model right."""
    faults = {}
    for runtime in RUNTIMES:
        fault = fault_of(runtime)
        if fault is None:
            return runtime
        faults[runtime] = fault
    found = "; ".join(f"{runtime}: {fault}" for runtime, fault in faults.items())
    raise RuntimeMissingError(
        f"no TFLite runtime works here ({found}); type: {extras.install('node')}"
    )


def fault_of(runtime: str) -> str | None:
    """Run the tiny model in a process of its own; what went wrong, or None."""
    fault, words = try_out([sys.executable, "-c", SELFTEST, runtime, str(SELFTEST_MODEL)])
    if fault is not None:
        return fault
    output = [int(word) for word in words.split()]
    is_right = len(output) == len(SELFTEST_OUTPUT) and all(
        abs(value - right) <= 1 for value, right in zip(output, SELFTEST_OUTPUT, strict=True)
    )
    return (
        None if is_right else f"computes {output[:8]}… where {list(SELFTEST_OUTPUT[:8])}… is right"
    )


def try_out(command: list[str]) -> tuple[str | None, str]:
    """Run that; what went wrong, or None, and what it printed."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=SELFTEST_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return f"no answer within {SELFTEST_TIMEOUT_S} s", ""
    if run.returncode < 0:
        return f"died by signal {-run.returncode}", ""
    if run.returncode:
        return run.stderr.strip().splitlines()[
            -1
        ] if run.stderr.strip() else f"exit code {run.returncode}", ""
    return None, run.stdout
