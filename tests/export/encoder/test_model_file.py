import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from export.encoder.model_file import builtin_operator, read_model, write_model
from tests.worlds.team_bundle import make_team_bundle


def test_what_is_read_and_written_again_runs_and_is_the_same(tmp_path):
    path = make_team_bundle(tmp_path / "bundle").part_path(2, 0)
    model = read_model(path)
    write_model(model, tmp_path / "again.tflite")
    assert (tmp_path / "again.tflite").read_bytes() == path.read_bytes()
    Interpreter(str(tmp_path / "again.tflite")).allocate_tensors()


def test_an_operator_is_told_by_its_number_where_old_models_keep_it_too(tmp_path):
    model = read_model(make_team_bundle(tmp_path / "bundle").part_path(0, 0))
    convolution, pool = model.subgraphs[0].operators
    assert builtin_operator(model, convolution) == schema.BuiltinOperator.CONV_2D
    model.operatorCodes[pool.opcodeIndex].builtinCode = 0
    assert builtin_operator(model, pool) == schema.BuiltinOperator.MAX_POOL_2D


def test_zero_points_that_are_alike_are_written_once(tmp_path):
    model = read_model(make_team_bundle(tmp_path / "bundle").part_path(0, 0))
    for tensor in model.subgraphs[0].tensors:
        tensor.quantization.zeroPoint = np.zeros(500, np.int64)
    write_model(model, tmp_path / "alike.tflite")
    model.subgraphs[0].tensors[1].quantization.zeroPoint = np.arange(500)
    write_model(model, tmp_path / "other.tflite")
    alike, other = ((tmp_path / f"{name}.tflite").stat().st_size for name in ("alike", "other"))
    assert 4000 <= other - alike < 4100
    assert alike < 2 * 4000 + 4000
    again = read_model(tmp_path / "other.tflite").subgraphs[0].tensors
    assert again[0].quantization.zeroPoint.tolist() == [0] * 500
    assert again[1].quantization.zeroPoint.tolist() == list(range(500))
