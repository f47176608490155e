"""The unit of deployment: the folder that an export writes, a node is flashed with and a host
decodes by.
"""

from link.bundle import bundle
from link.bundle.bundle import (
    ANOMALY_TASK,
    ENCODER,
    ID_BYTES,
    LABEL_TASK,
    MANIFEST,
    PIXELS,
    PROBABILITIES,
    SCORE,
    TABLES,
    Bundle,
    BundleError,
    Task,
    check_task_name,
    with_calibration,
    with_task,
)
from link.bundle.calibration import DECIMALS, TEMPERATURES, TINIEST, Calibration, softmax
from link.bundle.image_spec import ImageSpec

__all__ = [
    "ANOMALY_TASK",
    "DECIMALS",
    "ENCODER",
    "ID_BYTES",
    "LABEL_TASK",
    "MANIFEST",
    "PIXELS",
    "PROBABILITIES",
    "SCORE",
    "TABLES",
    "TEMPERATURES",
    "TINIEST",
    "Bundle",
    "BundleError",
    "Calibration",
    "ImageSpec",
    "Task",
    "bundle",
    "check_task_name",
    "softmax",
    "with_calibration",
    "with_task",
]
