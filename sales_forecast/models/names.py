"""Names of models that more than one room must know. Imports nothing."""

from __future__ import annotations

from typing import Final

BASELINE_MODEL: Final = "seasonal_naive_growth"
MEAN_MODEL: Final = "rf_xgb_mean"
"""The mean of Random Forest and XGBoost."""
