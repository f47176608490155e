"""Presets by name: which there are, and which one a data set gets.

Only the standard library is imported, so `make` can ask what there is before anything is installed.
"""

from dataclasses import replace
from typing import Any

from host_training.presets.branches import BRANCHES
from host_training.presets.dense import DENSE
from host_training.presets.distilled import DISTILLED
from host_training.presets.photos import PHOTOS
from host_training.presets.preset import Preset
from host_training.presets.residual import RESIDUAL
from host_training.training.recipe import Recipe

PRESETS: dict[str, Preset] = RESIDUAL | PHOTOS | DENSE | DISTILLED | BRANCHES

DEFAULT_PRESETS = {
    data_set: name for name, preset in PRESETS.items() for data_set in preset.default_for
}
"The data sets that have a name, and what trains each."
FOLDER_PRESET = "photo"
"For a folder of one's own images."


def fitting_presets(data_set: str) -> list[str]:
    """Presets that make sense for a data set: `digits` for its own, those of photos for a folder,
    whose images have any size.
    """
    is_folder = data_set not in DEFAULT_PRESETS
    unfit = set() if is_folder else set(PHOTOS)
    if not is_folder and data_set != "digits":
        unfit.add("digits")
    return [name for name in PRESETS if name not in unfit]


def recipe(preset: str, **changes: Any) -> Recipe:
    """The preset's recipe with some of its fields changed; None leaves a field as it is."""
    if preset not in PRESETS:
        raise ValueError(f"preset '{preset}' is not one of {', '.join(PRESETS)}")
    return replace(
        PRESETS[preset].recipe,
        **{name: value for name, value in changes.items() if value is not None},
    )
