"""ONNX to full-int8 TensorFlow Lite without TensorFlow, on Python 3.12 and later: by onnx2tf 2,
which writes the file itself; always run as a process of its own, as `tensorflow_worker` is.

It reads `encoder.onnx` and `calibration.npy` (float32 NHWC, as the network reads them) in the
working folder and writes `encoder.tflite` there.
"""

from pathlib import Path

import numpy as np
import onnx
import onnx2tf
from onnx2tf.tflite_builder import quantization

CALIBRATION = "calibration.npy"
OUT = Path("converted")


def keep_what_enters_a_mean() -> None:
    """onnx2tf 2.6.9 gives whatever is averaged the narrower range of its averages, and so cuts it
    off. A pool has to have one scale: its input's. A mean has one of its own.
    """
    quantization._STRICT_FULL_INTEGER_PASSTHROUGH_OPS.add("AVERAGE_POOL_2D")
    del quantization._STRICT_FULL_INTEGER_SAME_QPARAM_INDICES["MEAN"]


def main() -> None:
    keep_what_enters_a_mean()
    [pixels] = onnx.load("encoder.onnx").graph.input
    n_channels = np.load(CALIBRATION, mmap_mode="r").shape[-1]
    unscaled = [np.zeros(n_channels), np.ones(n_channels)]
    onnx2tf.convert(
        input_onnx_file_path="encoder.onnx",
        output_folder_path=str(OUT),
        tflite_backend="flatbuffer_direct",
        output_integer_quantized_tflite=True,
        custom_input_op_name_np_data_path=[[pixels.name, CALIBRATION, *unscaled]],
        not_use_onnxsim=True,
        verbosity="error",
    )
    (OUT / "encoder_full_integer_quant.tflite").rename("encoder.tflite")


if __name__ == "__main__":
    main()
