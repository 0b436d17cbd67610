"""Relative errors and their standard errors, against slow recomputations; and what is told."""

from __future__ import annotations

import numpy as np
import pytest

from sales_forecast.tuning.trials import (
    Found,
    Trial,
    proposal,
    relative_errors,
    standard_errors,
    trials_table,
)

DEFAULTS = {"depth": 8, "share": 1 / 3}
AS_BEFORE = Trial(DEFAULTS, 1.0, 0.0)


def misses_of(n_seeds: int = 4, n_weeks: int = 9, n_trials: int = 3) -> np.ndarray:
    """Misses of two protocols; the second judges only the last weeks."""
    misses = np.random.default_rng(0).uniform(1.0, 2.0, (n_seeds, 2, n_weeks, n_trials))
    misses[:, :, :2] = 0.0
    misses[:, 1, :5] = 0.0
    return misses


def slow_relative_error(misses: np.ndarray, trial: int) -> float:
    ratios = [misses[:, p, :, trial].sum() / misses[:, p, :, 0].sum() for p in (0, 1)]
    return sum(ratios) / 2


def found_of(*trials: Trial) -> Found:
    return Found("random_forest", DEFAULTS, 30, trials)


def test_an_error_is_relative_within_each_protocol_and_both_count_alike():
    misses = np.zeros((1, 2, 3, 2))
    misses[0, 0, :, 0], misses[0, 0, :, 1] = [100, 200, 300], [50, 100, 150]
    misses[0, 1, 1:, 0], misses[0, 1, 1:, 1] = [1, 3], [2, 3]
    assert [1.0, (0.5 + 1.25) / 2] == relative_errors(misses).tolist()


def test_the_standard_error_leaves_out_one_week_of_both_protocols_or_one_seed_at_a_time():
    misses = misses_of()
    expected = []
    for trial in range(3):
        weeks = [
            slow_relative_error(np.delete(misses, week, axis=2), trial) for week in range(2, 9)
        ]
        seeds = [slow_relative_error(np.delete(misses, seed, axis=0), trial) for seed in range(4)]
        expected.append(
            np.sqrt(
                sum(
                    (len(some) - 1) / len(some) * sum((one - np.mean(some)) ** 2 for one in some)
                    for some in (weeks, seeds)
                )
            )
        )
    assert [0.0, *expected[1:]] == pytest.approx(standard_errors(misses).tolist())
    assert min(expected[1:]) > 0.01


def test_the_standard_error_is_the_spread_of_repeated_searches():
    rng = np.random.default_rng(0)

    def draw() -> np.ndarray:
        weeks = rng.normal(0.0, 0.3, (1, 1, 40, 2))
        seeds = rng.normal(0.0, 0.1, (5, 1, 1, 2))
        return np.broadcast_to(2.0 + weeks + seeds, (5, 2, 40, 2))

    repeated = [draw() for _ in range(300)]
    spread = np.std([relative_errors(misses)[1] for misses in repeated])
    told = np.sqrt(np.mean([standard_errors(misses)[1] ** 2 for misses in repeated]))
    assert told == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize(
    ("error", "spread", "improves"),
    [(0.98, 0.01, True), (0.98, 0.03, False), (0.99, 0.01, False), (1.0, 0.0, False)],
)
def test_better_by_no_more_than_its_standard_error_is_no_better(error, spread, improves):
    assert improves == found_of(Trial({"depth": 4}, error, spread), AS_BEFORE).improves


def test_the_table_shows_the_best_five_and_which_are_the_defaults():
    others = [Trial({"depth": n, "share": 0.5}, 0.9 + n / 100, 0.01) for n in (1, 2)]
    worse = [Trial({"depth": n, "share": 0.25}, 1.0 + n / 100, 0.012) for n in (3, 4, 5)]
    table = trials_table(found_of(*others, AS_BEFORE, *worse))
    assert table.splitlines() == [
        "| relative error | hyperparameters |",
        "| -------------- | --------------- |",
        "| 0.910 +- 0.010 | depth=1, share=0.5 |",
        "| 0.920 +- 0.010 | depth=2, share=0.5 |",
        "| 1.000 +- 0.000 | depth=8, share=0.333 (defaults) |",
        "| 1.030 +- 0.012 | depth=3, share=0.25 |",
        "| 1.040 +- 0.012 | depth=4, share=0.25 |",
    ]


def test_what_is_better_is_to_be_committed_with_the_command_and_exact_values():
    best = Trial({"depth": 4, "share": 1 / 6}, 0.9, 0.02)
    assert proposal(found_of(best, AS_BEFORE), "tune --seed 3").splitlines() == [
        "Commit as the defaults of random_forest:",
        "    # Found by `tune --seed 3`:",
        "    # 0.900 +- 0.020 of the error of the defaults before.",
        "    {'depth': 4, 'share': 0.16666666666666666}",
    ]


def test_where_nothing_is_better_the_defaults_stay_and_the_command_beside_them():
    near = Trial({"depth": 4, "share": 1 / 6}, 0.99, 0.02)
    assert proposal(found_of(near, AS_BEFORE), "tune --seed 3").splitlines() == [
        "Keep the defaults of random_forest, with this beside them:",
        "    # `tune --seed 3`",
        "    # found nothing better by more than its standard error (best: 0.990 +- 0.020).",
    ]
