"""Operators: what the int8 model is made of, and what of it an Edge TPU would take.

What it takes follows Coral's published list ("TensorFlow models on the Edge TPU", Table 1); the
compiler has the last word and is asked when it is installed.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ai_edge_litert import schema_py_generated as schema

from export import ExportError
from export.encoder.model_file import builtin_operator, read_model

EDGE_TPU_OPERATORS = frozenset(
    {
        "ADD",
        "AVERAGE_POOL_2D",
        "CONCATENATION",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "EXPAND_DIMS",
        "FULLY_CONNECTED",
        "HARD_SWISH",
        "L2_NORMALIZATION",
        "LOGISTIC",
        "MAXIMUM",
        "MAX_POOL_2D",
        "MEAN",
        "MINIMUM",
        "MUL",
        "PACK",
        "PAD",
        "PRELU",
        "QUANTIZE",
        "REDUCE_MAX",
        "REDUCE_MIN",
        "RELU",
        "RELU6",
        "RELU_N1_TO_1",
        "RESHAPE",
        "RESIZE_BILINEAR",
        "RESIZE_NEAREST_NEIGHBOR",
        "RSQRT",
        "SLICE",
        "SOFTMAX",
        "SPACE_TO_DEPTH",
        "SPLIT",
        "SQUARED_DIFFERENCE",
        "SQUEEZE",
        "STRIDED_SLICE",
        "SUB",
        "SUM",
        "TANH",
        "TRANSPOSE",
        "TRANSPOSE_CONV",
    }
)

OPERATOR_NAMES = {
    number: name
    for name, number in vars(schema.BuiltinOperator).items()
    if not name.startswith("_")
}
TYPE_NAMES = {
    number: name.lower()
    for name, number in vars(schema.TensorType).items()
    if not name.startswith("_")
}

INTEGER_TYPES = frozenset({"int8", "int32"})
"Activations and weights; biases and shapes."


@dataclass(frozen=True)
class Operator:
    """One operator of the model, in the order of execution."""

    name: str
    tensor_types: tuple[str, ...]
    "Types of its inputs and outputs, each once, sorted."
    obstacle: str
    'Why an Edge TPU would leave it to the processor; "" when it would take it.'

    @property
    def is_integer(self) -> bool:
        return INTEGER_TYPES.issuperset(self.tensor_types)


def list_operators(path: Path) -> list[Operator]:
    """The operators of a .tflite file's only graph."""
    model = read_model(path)
    return [_operator(model, operator) for operator in model.subgraphs[0].operators]


def _operator(model: schema.ModelT, operator: schema.OperatorT) -> Operator:
    name = OPERATOR_NAMES[builtin_operator(model, operator)]
    tensors = model.subgraphs[0].tensors
    indices = [index for index in (*operator.inputs, *operator.outputs) if index >= 0]
    types = tuple(sorted({TYPE_NAMES[tensors[index].type] for index in indices}))
    floats = [kind for kind in types if kind not in INTEGER_TYPES]
    if floats:
        obstacle = f"computes in {', '.join(floats)}"
    elif name not in EDGE_TPU_OPERATORS:
        obstacle = "is not among the operators an Edge TPU knows"
    else:
        obstacle = ""
    return Operator(name, types, obstacle)


def require_integer(operators: Sequence[Operator]) -> None:
    """ExportError, naming them, when any operator computes in anything but integers."""
    floats = [
        f"{operator.name} ({', '.join(operator.tensor_types)})"
        for operator in operators
        if not operator.is_integer
    ]
    if floats:
        raise ExportError(
            f"the model is not all int8: {', '.join(floats)}; a node would compute these in float, "
            "and its symbols would differ from one processor to the next"
        )


def edge_tpu_compiler_log(path: Path) -> str | None:
    """What edgetpu_compiler says about the model, or None where it is not installed; what it makes
    lies beside it.
    """
    compiler = shutil.which("edgetpu_compiler")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        arguments = [compiler, "--show_operations", "--out_dir", scratch, str(path.resolve())]
        done = subprocess.run(arguments, capture_output=True, text=True, errors="replace")
        for compiled in Path(scratch).glob("*_edgetpu.tflite"):
            shutil.copyfile(compiled, path.with_name(compiled.name))
    return (done.stdout + done.stderr).strip()
