"""Numbers of covariates as people write them, whichever column they stand in."""

from __future__ import annotations

_SIX_DIGITS = 999_999.5


def numeral(value: float) -> str:
    """Write a number in six digits, a large one in all before its point: 0.5, 238.2, 1500000."""
    return f"{value:.6g}" if abs(value) < _SIX_DIGITS else f"{value:.0f}"
