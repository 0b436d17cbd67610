"""Pictures of scores: of any number of parts, and of what was scored alone."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import pytest

from sales_forecast.evaluation.figures import segments_plot, steps_plot
from sales_forecast.evaluation.metrics import Scores
from sales_forecast.evaluation.segments import Part, Segment

MODELS = ("good", "seasonal_naive_growth")


def scored(good: float, growth: float) -> Mapping[str, Scores]:
    """Two models with these WAPE, and one that is not drawn."""
    values = {"good": good, "seasonal_naive_growth": growth, "other": 0.9}
    return {model: Scores(0, value, 0, 0, 0, 0, 0, 0, 0) for model, value in values.items()}


def segment(name: str, **parts: tuple[float, float]) -> Segment:
    found = {label: Part(0.5, 0.5, scored(*values)) for label, values in parts.items()}
    return Segment(name, found)


def size(picture: bytes) -> tuple[int, int]:
    assert b"\x89PNG\r\n\x1a\n" == picture[:8]
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


STEPS = segment("weeks ahead", **{"1": (0.02, 0.05), "2": (0.03, 0.06)})
KINDS = segment("kind", a=(0.02, 0.05), b=(0.2, 2.5))


def test_each_part_adds_a_line_to_the_picture():
    whole = scored(0.03, 0.05)
    alone, two = (size(segments_plot(whole, some, MODELS)) for some in ((), (KINDS,)))
    assert (800, 179) == alone
    assert (800, 275) == two


def test_the_steps_have_one_size():
    assert (800, 450) == size(steps_plot(STEPS, MODELS))


def test_equal_scores_make_equal_pictures_and_others_make_others():
    whole, other = scored(0.03, 0.05), segment("kind", a=(0.02, 0.05), b=(0.2, 1.5))
    assert segments_plot(whole, [KINDS], MODELS) == segments_plot(whole, [KINDS], MODELS)
    assert segments_plot(whole, [KINDS], MODELS) != segments_plot(whole, [other], MODELS)
    assert segments_plot(whole, [KINDS], MODELS) != segments_plot(whole, [KINDS], MODELS[:1])
    moved = segment("weeks ahead", **{"1": (0.02, 0.05), "2": (0.04, 0.06)})
    assert steps_plot(STEPS, MODELS) == steps_plot(STEPS, MODELS)
    assert steps_plot(STEPS, MODELS) != steps_plot(moved, MODELS)


@pytest.mark.parametrize("value", [0.0, float("nan"), 0.05, 1.0, 1e-9, 1e6])
def test_what_cannot_be_on_a_scale_of_ratios_is_drawn_without_complaint(value):
    strange = segment("kind", a=(value, value), b=(0.1, value))
    for whole in (scored(value, value), scored(0.03, value)):
        assert (800, 275) == size(segments_plot(whole, [strange], MODELS))
    assert (800, 450) == size(steps_plot(strange, MODELS))


def test_labels_are_text_whatever_is_in_them():
    odd = segment("$\\kind$", **{"$a_$": (0.1, 0.2), "北 and \\frac{": (0.1, 0.2)})
    assert (800, 275) == size(segments_plot(scored(0.1, 0.2), [odd], MODELS))


def test_segments_of_one_name_are_all_drawn():
    twice = segments_plot(scored(0.1, 0.2), [KINDS, KINDS], MODELS)
    assert (800, 371) == size(twice)
