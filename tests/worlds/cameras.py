"""A module in the place of cv2 that gives a node a camera with every habit that cameras have.

It is code and no mock of ours: `write_cv2` makes it a file for a node in a process of its own,
`make_cv2` a module of this one. The habits are told by text, in a file that a test may write anew
while the node runs:

    well            a frame whenever one is wanted
    absent          cannot be opened
    silent          opens and gives nothing
    broken          raises what OpenCV raises
    strange         gives frames that are none
    hangs           never comes back from read
    every 10        the tenth frame, and every tenth from there, fails; so does the one behind it
"""

import types
from pathlib import Path

from link.base import durable

CV2 = """
import threading
import numpy as np
COLOR_BGR2RGB, COLOR_RGB2GRAY, INTER_AREA = 4, 7, 3
n_reads = 0
class error(Exception): pass
def habit():
    with open(HABIT) as file:
        return file.read().split()
class VideoCapture:
    def __init__(self):
        self.is_open = False
    def open(self, device):
        self.is_open = habit() != ["absent"]
        return self.is_open
    def isOpened(self):
        return self.is_open
    def grab(self):
        return habit()[0] not in ("silent", "absent")
    def release(self):
        self.is_open = False
    def read(self):
        global n_reads
        n_reads += 1
        kind, *numbers = habit()
        if kind == "hangs":
            threading.Event().wait()
        if kind == "broken":
            raise error("VIDIOC_DQBUF: No such device")
        if kind == "strange":
            return True, np.zeros((0, 5), np.float32)
        if kind in ("silent", "absent"):
            return False, None
        if kind == "every" and n_reads % int(numbers[0]) in (0, 1):
            return False, None
        return True, np.random.default_rng(n_reads).integers(0, 255, (12, 16, 3), np.uint8)
def cvtColor(pixels, _):
    return pixels[:, :, ::-1]
"""


class Habit:
    """What the camera does from now on."""

    def __init__(self, folder: Path, words: str) -> None:
        self.path = folder / "habit"
        self.becomes(words)

    def becomes(self, words: str) -> None:
        with durable.whole(self.path) as unfinished:
            unfinished.write_text(words)

    @property
    def source(self) -> str:
        return CV2.replace("HABIT", repr(str(self.path)))

    def write_cv2(self, folder: Path) -> Path:
        """The module as a file of its own folder, for PYTHONPATH."""
        folder.mkdir()
        (folder / "cv2.py").write_text(self.source)
        return folder

    def make_cv2(self) -> types.ModuleType:
        module = types.ModuleType("cv2")
        exec(self.source, module.__dict__)
        return module
