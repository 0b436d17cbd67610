"""One small training, shared by all tests that need one; made when a process first asks."""

from __future__ import annotations

from functools import cache

from threadpoolctl import threadpool_limits

from sales_forecast.bundles.bundle import TREES, Bundle
from sales_forecast.data.panel import Panel
from sales_forecast.data.sample import sample_rows
from sales_forecast.evaluation.judged import Tables
from sales_forecast.training.challenger import Candidate, model_candidate
from sales_forecast.training.training import evaluate

STORES = ("3", "12", "30")
SOURCE = "three stores of the sample"


def silent(_: str) -> None:
    """Progress that nobody watches."""


@cache
def panel() -> Panel:
    return sample_rows().to_panel().select(STORES)


def first_weeks(number: int) -> Panel:
    """The same stores, as they were known after their first weeks."""
    return panel().until(panel().periods[number - 1])


@cache
def tables() -> Tables:
    # Other tests keep the cores busy, and then the threads of XGBoost cost tenfold.
    with threadpool_limits(1):
        return evaluate(panel(), silent)


@cache
def candidate() -> Candidate:
    with threadpool_limits(1):
        return model_candidate(panel(), SOURCE, tables(), silent)


def bundle(of: Candidate | None = None) -> Bundle:
    """A candidate as the service would read it."""
    packed = of or candidate()
    return Bundle(packed.manifest, packed.files.get(TREES, b""))
