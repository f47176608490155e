"""The unit of deployment: the folder that an export writes, a node is flashed with and a host
decodes by.
"""

from link.bundle import calibration, copies, manifest
from link.bundle.bundle import Bundle, BundleError, Task, check_task_name
from link.bundle.calibration import Calibration
from link.bundle.image_spec import ImageSpec
