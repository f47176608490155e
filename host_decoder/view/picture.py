"""Pictures: decoded pixels as PNG files, which everything opens."""

import base64
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from link.picture import writer


class PictureFolder:
    """Where pictures of one decoding go, each in a file of its own.

    A node that was given a new key counts its images from the beginning again: the second of a name
    is `…-2.png`.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._n_named = Counter[str]()

    def save(self, answer: dict[str, Any]) -> dict[str, Any]:
        """The answer with the name of a PNG file in place of its pixels; one without pixels stays
        as it is.
        """
        if "pixels" not in answer:
            return answer
        pixels = np.frombuffer(base64.b64decode(answer["pixels"]), np.uint8).reshape(
            answer["shape"]
        )
        name = f"node-{answer['node']}-image-{answer['image']}"
        self._n_named[name] += 1
        again = f"-{self._n_named[name]}" if self._n_named[name] > 1 else ""
        path = self._folder / f"{name}{again}.png"
        path.write_bytes(writer.to_png(pixels))
        return {key: value for key, value in answer.items() if key != "pixels"} | {
            "file": str(path)
        }
