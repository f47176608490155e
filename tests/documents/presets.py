"""Presets: a table of them, from what each says of itself."""

from host_training.presets import PRESETS
from host_training.presets.preset import Preset
from tests.documents.markdown import table


def table_of() -> str:
    rows = [
        (f"`{name}`", one.about, _epochs(one), _export(one), one.machine)
        for name, one in PRESETS.items()
    ]
    return table(("preset", "what it is, and what it reached", "epochs", "export", "by"), rows)


def _epochs(one: Preset) -> str:
    """How many of cross-entropy and of DuPHiL, and what it begins from."""
    said = [f"{one.recipe.ce_epochs} + {one.recipe.duphil_epochs}"]
    if one.teacher:
        said.append(f"teacher `{one.teacher}`")
    if one.start_from:
        said.append(f"from `{one.start_from}`")
    return ", ".join(said)


def _export(one: Preset) -> str:
    order = "as trained" if one.order == "discriminative" else "rotated"
    looks = {1: "", 2: ", two looks", 6: ", six looks"}[one.views]
    return f"`{one.stage}`, {order}{looks}"
