"""What a command says on the standard error where there is no terminal: its stages, and no more."""

from __future__ import annotations

_BEGINNINGS = (
    "importing ", "reading ", "one step", "many steps", "window ", "measuring ", "fitting ",
    "exporting ", "letting ", "recording ", "forecasting", "writing", "what the backtest hands ",
    "1 week ahead", "8 weeks ahead", "1 day ahead", "42 days ahead", "xgboost, ",
    "random_forest, ", "lightgbm, ", "catboost, ",
)  # fmt: skip


def only_stages(said: str) -> bool:
    """Tell whether every line is a stage: no warning, no word of a library, no trace."""
    strangers = [line for line in said.splitlines() if not line.startswith(_BEGINNINGS)]
    assert [] == strangers
    return True


def beside_stages(said: str) -> str:
    """Return what was said but the stages."""
    lines = said.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(_BEGINNINGS))
