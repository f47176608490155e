"""Where a bundle's host side is added to: bundles that came with the programs stay as they came."""

import shutil
import tempfile
from pathlib import Path

from link.bundle.bundle import Bundle, BundleError

RELEASED = Path(__file__).resolve().parents[2] / "models"
"Bundles that came with the programs."
COPIES = Path("runs/bundles")
"Where their copies lie, to be written into."


def written_into(bundle: Bundle, out: Path | None) -> Path:
    """The bundle's own folder, or `out`, or COPIES if it came with the programs; the latter are
    copies of it, made where they are not there yet. BundleError if another bundle is.
    """
    is_released = bundle.path.resolve().parent == RELEASED
    place = out or (COPIES / bundle.path.resolve().name if is_released else bundle.path)
    if place.resolve() == bundle.path.resolve():
        return place
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as scratch:
            shutil.copytree(bundle.path, Path(scratch) / "copy").rename(place)
    if Bundle.load(place, "host").id != bundle.id:
        raise BundleError(
            f"{place} holds another bundle than {bundle.path}; give --out another name, or move it "
            "away"
        )
    return place
