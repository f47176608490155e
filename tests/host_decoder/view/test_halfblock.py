"""An image becomes coloured half blocks that a person recognises."""

import numpy as np
import pytest
from rich.style import Style

from host_decoder.view.halfblock import half_blocks


def colours(image: np.ndarray, columns: int, pixel_rows: int) -> list[list[tuple[str, str | None]]]:
    """Ink and paper of every character, by line."""
    grid = []
    for line in half_blocks(image, columns, pixel_rows).split("\n"):
        row: list[tuple[str, str | None]] = []
        for span in sorted(line.spans):
            style = Style.parse(str(span.style))
            assert style.color
            row += [(style.color.name, style.bgcolor.name if style.bgcolor else None)] * (
                span.end - span.start
            )
        assert line.plain == "▀" * len(row)
        grid.append(row)
    return grid


def test_the_upper_pixel_is_ink_and_the_lower_is_paper():
    image = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [1, 2, 3]]], np.uint8)
    assert colours(image, columns=2, pixel_rows=2) == [
        [("#ff0000", "#0000ff"), ("#00ff00", "#010203")]
    ]


def test_grey_pixels_are_grey():
    image = np.array([[[0], [128]], [[255], [7]]], np.uint8)
    assert colours(image, columns=2, pixel_rows=2) == [
        [("#000000", "#ffffff"), ("#808080", "#070707")]
    ]


def test_an_odd_last_row_has_no_paper():
    image = np.full((3, 1, 1), 9, np.uint8)
    assert colours(image, columns=1, pixel_rows=3) == [
        [("#090909", "#090909")],
        [("#090909", None)],
    ]


@pytest.mark.parametrize(
    ("shape", "n_columns", "n_lines"),
    [
        ((8, 8, 1), 40, 20),
        ((32, 32, 3), 32, 16),
        ((28, 28, 1), 28, 14),
        ((96, 96, 3), 32, 16),
        ((480, 640, 3), 40, 15),
    ],
)
def test_every_size_fits_its_space(shape, n_columns, n_lines):
    grid = colours(np.zeros(shape, np.uint8), columns=40, pixel_rows=40)
    assert (len(grid), {len(line) for line in grid}) == (n_lines, {n_columns})


def test_a_large_image_is_averaged():
    image = np.zeros((4, 4, 1), np.uint8)
    image[0, 0] = image[1, 1] = 200
    assert colours(image, columns=2, pixel_rows=2) == [
        [("#646464", "#000000"), ("#000000", "#000000")]
    ]


def test_of_two_channels_the_first_is_shown():
    image = np.array([[[3, 9]], [[4, 9]]], np.uint8)
    assert colours(image, columns=1, pixel_rows=2) == [[("#030303", "#040404")]]
