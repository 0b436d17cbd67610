"""Lines of one picture differ for the colour-blind, too, by more than their dashes and marks."""

from __future__ import annotations

import re
from importlib.resources import files
from itertools import combinations

import numpy as np
import pytest

PAINTED = ("ink", "expected", "before", "planned", "former", "former2", "special")
# What is left of linear red, green and blue: Machado, Oliveira and Fernandes, 2009, at severity 1.
SEEN = {
    "all colours": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "no red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
WHITE = [0.9505, 1, 1.089]


def colours(scheme):
    sheet = files("sales_forecast.web").joinpath("static/page.css").read_text()
    light, dark = sheet.split("@media (prefers-color-scheme: dark)")[:2]
    part = light if scheme == "light" else dark.split("}")[0]
    return dict(re.findall(r"--([a-z0-9-]+): #([0-9a-f]{6});", part))


def lab(colour, seen):
    """CIE L*a*b* of what is seen of a colour."""
    share = np.array([int(colour[at : at + 2], 16) for at in (0, 2, 4)]) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    part = TO_XYZ @ np.clip(np.array(seen) @ linear, 0, 1) / WHITE
    root = np.where(part > 0.008856, np.cbrt(part), 7.787 * part + 16 / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("seen", SEEN)
def test_no_two_colours_of_a_picture_look_alike(scheme, seen):
    found = {name: lab(colours(scheme)[name], SEEN[seen]) for name in PAINTED}
    for one, other in combinations(PAINTED, 2):
        assert np.linalg.norm(found[one] - found[other]) > 10, (one, other)
