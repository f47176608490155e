"""Preset: a recipe with a name, what is done with its run, and what it was measured to reach."""

from dataclasses import dataclass
from typing import Literal

from host_training.training.recipe import Recipe, StageName

STAGES: tuple[StageName, ...] = ("ce", "duphil", "rate")
Order = Literal["discriminative", "importance"]
ORDERS: tuple[Order, ...] = ("discriminative", "importance")
"By discriminative power (DuPHiL), or rotated by importance (NAIR)."
N_VIEWS = (1, 2, 6)
"How often a node may look at an image."


@dataclass(frozen=True)
class Preset:
    """Everything that is said of a run under one name."""

    about: str
    "What it is for, and its claim: mean accuracy on the test split, number of seeds, hardware."
    recipe: Recipe
    stage: StageName
    "The stage whose best checkpoint is exported."
    order: Order = "discriminative"
    "What is sent first."
    coarseness: float = 1.0
    "The step of the latents in importance order, in trained ones."
    views: int = 1
    "How often the node looks at an image, of N_VIEWS, where training mirrors the images."
    teacher: str | None = None
    "The preset whose cross-entropy stage's scores it learns too."
    start_from: str | None = None
    "The preset whose cross-entropy stage's weights it begins with."
    image_size: int = 64
    "Side to which a folder's images are resized where nobody says another, pixels."
    machine: Literal["CPU", "GPU"] = "CPU"
    "What trains it, and trained what was measured."
    results: tuple[str, ...] = ()
    "Files in results/ that the claim is from, without .json."
    default_for: tuple[str, ...] = ()
    "Data sets that it trains where nobody says another preset."
