"""Photo choices: what a person says of a set of images: how it is split, and what may be done to an
image without making it another class.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from host_training.data.dataset import Augmentation, DataSetError
from host_training.training.recipe import Recipe, SplitBy
from link.bundle import Bundle

SIDES = """
left right links rechts gauche droite izquierda derecha sinistra destra esquerda direita
clockwise counterclockwise anticlockwise east west osten westen
arrow arrows pfeil pfeile fleche flecha freccia
"""
READ = """
sign signs schild schilder panneau letter letters buchstabe digit digits ziffer number numbers zahl
numeral text writing plate kennzeichen meter zaehler zähler gauge clock uhr
"""
WORDS = frozenset((SIDES + READ).split())
"In a class's name: its mirror image may be another class, or none."


@dataclass(frozen=True)
class PhotoChoices:
    """What is said of a set of images; None leaves it to the set."""

    split_by: SplitBy = "series"
    "How a folder's splits are drawn where it does not bring them."
    flip: bool | None = None
    "Mirroring left to right."
    rotation_degrees: float | None = None
    crop: float | None = None
    "The least share of an image's side that a random crop shows, enlarged to the whole."

    @classmethod
    def of(cls, said: object) -> "PhotoChoices":
        """From a recipe, or anything else that has these fields."""
        return cls(**{each.name: getattr(said, each.name) for each in fields(cls)})

    @classmethod
    def of_bundle(cls, bundle: Bundle) -> "PhotoChoices":
        """What its export was told; of one from the time before there was a choice, what was so."""
        said: Mapping[str, Any] = bundle.provenance.photos or {}
        known = {name: said[name] for name in vars(USUAL) if said.get(name) is not None}
        try:
            return cls.of(Recipe(**known))
        except (TypeError, ValueError) as error:
            raise DataSetError(
                f"{bundle.path} says of its photos what cannot be ({error}); export it again"
            ) from None

    def to_dict(self) -> dict[str, Any] | None:
        """For a bundle's provenance; None where nothing was chosen."""
        if self == self.of(Recipe()):
            return None
        return {name: value for name, value in asdict(self).items() if value is not None}

    def augmentation(self, usual: Augmentation) -> Augmentation:
        """What is said, and else as is usual."""
        changed = usual if self.crop is None else replace(usual, crop=self.crop, crop_pad=0)
        changed = changed if self.flip is None else replace(changed, flip=self.flip)
        if self.rotation_degrees is None:
            return changed
        return replace(changed, rotation_degrees=self.rotation_degrees)


USUAL = PhotoChoices()


def not_to_be_mirrored(classes: Sequence[str]) -> list[str]:
    """Classes whose names speak of sides or of something that is read, and single letters and
    numbers.
    """

    def speaks(name: str) -> bool:
        words = re.findall(r"[^\W\d_]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name))
        return name.isdigit() or len(name) == 1 or bool({word.lower() for word in words} & WORDS)

    return [name for name in classes if speaks(name)]
