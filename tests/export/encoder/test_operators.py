import pytest
from ai_edge_litert import schema_py_generated as schema

from export import ExportError
from export.encoder.model_file import builtin_operator, read_model, write_model
from export.encoder.operators import edge_tpu_compiler_log, list_operators, require_integer


def test_the_encoder_computes_in_integers_only_and_an_edge_tpu_would_take_it(exported):
    operators = list_operators(exported.bundle.encoder_path)
    require_integer(operators)
    assert operators[0].name == "CONV_2D"
    assert not any(operator.obstacle for operator in operators)


def test_a_float_operator_is_named_and_refused(exported, tmp_path):
    model = read_model(exported.bundle.encoder_path)
    graph = model.subgraphs[0]
    [addition, *_] = [
        o for o in graph.operators if builtin_operator(model, o) == schema.BuiltinOperator.ADD
    ]
    graph.tensors[addition.outputs[0]].type = schema.TensorType.FLOAT32
    write_model(model, tmp_path / "float.tflite")
    operators = list_operators(tmp_path / "float.tflite")
    assert "computes in float32" in {operator.obstacle for operator in operators}
    with pytest.raises(ExportError, match=r"not all int8: ADD \(float32, int8\)"):
        require_integer(operators)


def test_an_operator_an_edge_tpu_does_not_know_is_reported(exported, tmp_path):
    model = read_model(exported.bundle.encoder_path)
    [code] = [
        code for code in model.operatorCodes if code.builtinCode == schema.BuiltinOperator.ADD
    ]
    code.builtinCode = schema.BuiltinOperator.FLOOR_MOD
    code.deprecatedBuiltinCode = schema.BuiltinOperator.FLOOR_MOD
    write_model(model, tmp_path / "odd.tflite")
    [odd, *_] = [
        operator
        for operator in list_operators(tmp_path / "odd.tflite")
        if operator.name == "FLOOR_MOD"
    ]
    assert odd.is_integer
    assert "not among the operators an Edge TPU knows" in odd.obstacle


def test_the_edge_tpu_compiler_is_asked_where_it_is_installed(exported, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert edge_tpu_compiler_log(exported.bundle.encoder_path) is None
    compiler = tmp_path / "edgetpu_compiler"
    compiler.write_text(
        '#!/bin/sh\necho "asked about $4"\necho compiled >"$3/encoder_edgetpu.tflite"\n'
    )
    compiler.chmod(0o755)
    model = tmp_path / "encoder.tflite"
    model.write_bytes(exported.bundle.encoder_path.read_bytes())
    assert edge_tpu_compiler_log(model) == f"asked about {model}"
    assert (tmp_path / "encoder_edgetpu.tflite").read_text() == "compiled\n"
