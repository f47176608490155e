"""A TensorFlow Lite file as a tree of objects that can be looked at, changed and written."""

from pathlib import Path

import flatbuffers
from ai_edge_litert import schema_py_generated as schema


def read_model(path: Path) -> schema.ModelT:
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))


class SharingBuilder(flatbuffers.Builder):
    """Writes a vector of eight-byte integers once, however often it occurs: every channel has a
    zero point of that size, and nearly all of them are 0.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._written: dict[bytes, int] = {}
        self._begun_at, self._n_bytes = 0, 0

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:  # noqa: N802, N803
        self._begun_at = self.Offset()
        self._n_bytes = 8 * numElems if elemSize == 8 else 0
        return super().StartVector(elemSize, numElems, alignment)

    def EndVector(self, *arguments: int) -> int:  # noqa: N802
        offset = super().EndVector(*arguments)
        if not self._n_bytes:
            return offset
        content = bytes(self.Bytes[self.head :][: 4 + self._n_bytes])  # behind its length
        known = self._written.setdefault(content, offset)
        if known != offset:
            self.head: int = len(self.Bytes) - self._begun_at
        return known


def write_model(model: schema.ModelT, path: Path) -> None:
    builder = SharingBuilder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))


def builtin_operator(model: schema.ModelT, operator: schema.OperatorT) -> int:
    """Number of the operator's kind; old models keep small numbers in a field of their own."""
    code = model.operatorCodes[operator.opcodeIndex]
    return max(code.builtinCode, code.deprecatedBuiltinCode)
