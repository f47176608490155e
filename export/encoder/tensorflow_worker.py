"""ONNX to full-int8 TensorFlow Lite: the only file that imports TensorFlow, always run as a process
of its own.

It reads `encoder.onnx`, `calibration.npy` (float32 NHWC, as the network reads them) and `views.npy`
(which pixel of the image each one of its views is, (V, H, W)) in the working folder and writes
`encoder.tflite` there.
TensorFlow and PyTorch never share a process this way, and what TensorFlow allocates is gone when it
ends.

onnx2tf's command line makes seven models; here one is made, from the Keras model that onnx2tf
returns.
"""

import os

os.environ.update(CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="3")

import numpy as np
import onnx2tf
import tensorflow as tf

SAMPLE_IMAGES = "calibration_image_sample_data_20x128x128x3_float32.npy"
"What onnx2tf downloads, for an input of three channels, unless it is in the working folder."


def main() -> None:
    np.save(SAMPLE_IMAGES, np.zeros((20, 128, 128, 3), np.float32))
    model = onnx2tf.convert(
        input_onnx_file_path="encoder.onnx",
        output_folder_path="unused",
        disable_model_save=True,
        not_use_onnxsim=True,
        non_verbose=True,
    )
    images, views = np.load("calibration.npy"), np.load("views.npy")
    if len(views) > 1:
        model = behind_views(model, images.shape[1:], views)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    with open("encoder.tflite", "wb") as file:
        file.write(converter.convert())


def behind_views(
    model: tf.keras.Model, shape: tuple[int, ...], views: np.ndarray
) -> tf.keras.Model:
    """A model of one image (1, H, W, C) that gives `model` its views (V, H, W, C); onnx2tf would
    mix up their axes.
    """
    image = tf.keras.Input(shape, batch_size=1)
    pixels = tf.reshape(image, (-1, shape[-1]))
    return tf.keras.Model(image, model(tf.gather(pixels, views.astype(np.int32))))


if __name__ == "__main__":
    main()
