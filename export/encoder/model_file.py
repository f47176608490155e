"""A TensorFlow Lite file as a tree of objects that can be looked at, changed and written."""

from pathlib import Path

import flatbuffers
from ai_edge_litert import schema_py_generated as schema


def read_model(path: Path) -> schema.ModelT:
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))


def write_model(model: schema.ModelT, path: Path) -> None:
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))


def builtin_operator(model: schema.ModelT, operator: schema.OperatorT) -> int:
    """Number of the operator's kind; old models keep small numbers in a field of their own."""
    code = model.operatorCodes[operator.opcodeIndex]
    return max(code.builtinCode, code.deprecatedBuiltinCode)
