"""Numbers of covariates as people write them, whichever column they stand in."""

from __future__ import annotations

_SIX_DIGITS, _COUNTABLE = 999_999.5, 1e15


def numeral(value: float) -> str:
    """Write a number in six digits, a large one in all before its point: 0.5, 238.2, 1500000.

    One that nobody would write out has a power of ten: 1e+300.
    """
    written_out = _SIX_DIGITS <= abs(value) < _COUNTABLE
    return f"{value:.0f}" if written_out else f"{value:.6g}"
