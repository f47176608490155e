"""Orientation: how a camera was held, read out of a picture's EXIF without anything else that
stands there.
"""

from typing import Literal

ORIENTATION = 0x0112
"The tag."
TURNS = {
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270",
    7: "TRANSVERSE", 8: "ROTATE_90",
}  # fmt: skip
"By its value: what puts a picture upright, in Pillow's words; 1 is upright already."
VALUE_BYTES = {1: 1, 3: 2, 4: 4}
"By the type of an entry: BYTE, SHORT, LONG."


def orientation_in(exif: bytes) -> int:
    """The value in an EXIF block, which is a TIFF file (TIFF 6.0, section 2); a KeyError where
    there is none.

    Only the first directory is searched, and no entry but this one is understood.
    """
    tiff = exif.removeprefix(b"Exif\0\0")
    order: Literal["little", "big"] = "little" if tiff.startswith(b"II") else "big"

    def number(at: int, n_bytes: int) -> int:
        return int.from_bytes(tiff[at : at + n_bytes], order)

    directory = number(4, 4)
    entries = range(directory + 2, directory + 2 + 12 * number(directory, 2), 12)
    entry = {number(at, 2): at for at in entries}[ORIENTATION]
    return number(entry + 8, VALUE_BYTES[number(entry + 2, 2)])
