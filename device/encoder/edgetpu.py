"""Edge TPU: a Coral computes the encoder where it is asked for and can; else the processor does,
and one line says why.

Asked for by `edgetpu = true` in node.toml, or by EDGETPU=1 (EDGETPU=0: not) in the environment. It
takes a model that edgetpu_compiler has made of encoder.tflite; an export makes it where that
program is installed. libedgetpu built for another TensorFlow ends the process by a signal, so what
is asked of it is tried in a process of its own first.
"""

import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from device.encoder.interpreter import load_model, try_out, working_runtime

LIBRARY = "libedgetpu.so.1"
COMPILED = "encoder_edgetpu.tflite"
"Beside encoder.tflite; the name that edgetpu_compiler gives."
TRIAL = """
import ctypes, importlib, sys
import numpy as np
runtime, library, model = sys.argv[1:]
ctypes.CDLL(library)  # its error says what is missing
module = importlib.import_module(runtime + ".interpreter")
delegates = [module.load_delegate(library)]
interpreter = module.Interpreter(model, num_threads=1, experimental_delegates=delegates)
interpreter.allocate_tensors()
[taken] = interpreter.get_input_details()
interpreter.set_tensor(taken["index"], np.zeros(taken["shape"], taken["dtype"]))
interpreter.invoke()
"""


def is_wanted(setting: bool, environment: Mapping[str, str] = os.environ) -> bool:
    """The environment has the last word."""
    return environment["EDGETPU"] == "1" if environment.get("EDGETPU") else setting


def load_for_edgetpu(model: Path) -> tuple[Any, str | None]:
    """An interpreter of that encoder on the Edge TPU, or on the processor, and why."""
    compiled = model.with_name(COMPILED)
    if not compiled.exists():
        why = f"the bundle has no {COMPILED}; export it where edgetpu_compiler is installed"
    else:
        why = fault_of(compiled) or ""
    if why:
        return load_model(model), why
    module = importlib.import_module(working_runtime() + ".interpreter")
    delegate = module.load_delegate(LIBRARY)
    interpreter = module.Interpreter(
        str(compiled), num_threads=1, experimental_delegates=[delegate]
    )
    interpreter.allocate_tensors()
    return interpreter, None


def sentence(why: str | None) -> str:
    return (
        "the Edge TPU computes"
        if why is None
        else f"no Edge TPU is used, the processor computes: {why}"
    )


def fault_of(compiled: Path) -> str | None:
    """What is wrong with library, device and model together, or None."""
    fault, _ = try_out([sys.executable, "-c", TRIAL, working_runtime(), LIBRARY, str(compiled)])
    return f"{LIBRARY}: {fault}" if fault else None
