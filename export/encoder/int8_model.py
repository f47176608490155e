"""An int8 TensorFlow Lite file that runs: one interpreter per thread, each on its share."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from export import ExportError
from link.output import without_information


class Int8Model:
    """int8 (N, …) → int8 (N, …); the same with any number of threads."""

    def __init__(self, path: Path, n_threads: int = 1, batch: int = 1) -> None:
        """`batch`: how many are run at once, of a file that was made for more than one."""
        self.batch = batch
        try:
            with without_information():
                self.interpreters = [
                    Interpreter(str(path), num_threads=1) for _ in range(max(n_threads, 1))
                ]
                for interpreter in self.interpreters:
                    interpreter.allocate_tensors()
        except Exception as error:  # LiteRT's answer to what is no model
            raise ExportError(
                f"{path} does not run ({' '.join(str(error).split())}); export it again"
            ) from None
        self.source, self.target = (
            details()[0]["index"]
            for details in (
                self.interpreters[0].get_input_details,
                self.interpreters[0].get_output_details,
            )
        )

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        shares = np.array_split(inputs, len(self.interpreters))
        with ThreadPoolExecutor(len(self.interpreters)) as pool:
            return np.concatenate(list(pool.map(self._run, self.interpreters, shares)))

    def _run(self, interpreter: Interpreter, inputs: np.ndarray) -> np.ndarray:
        shape = interpreter.get_output_details()[0]["shape"][1:]
        outputs = np.empty((len(inputs), *shape), np.int8)
        for start in range(0, len(inputs), self.batch):
            some = inputs[start : start + self.batch]
            if len(some) != interpreter.get_input_details()[0]["shape"][0]:
                interpreter.resize_tensor_input(self.source, some.shape)
                interpreter.allocate_tensors()
            interpreter.set_tensor(self.source, some)
            interpreter.invoke()
            outputs[start : start + self.batch] = interpreter.get_tensor(self.target)
        return outputs
