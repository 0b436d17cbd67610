"""How numbers of covariates are written."""

from __future__ import annotations

import pytest

from sales_forecast.data.numerals import numeral


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.5, "0.5"), (-3.0, "-3"), (238.2, "238.2"), (127.17349, "127.173"), (0.00001, "1e-05"),
        (999_999.4, "999999"), (999_999.6, "1000000"), (-1_234_567.0, "-1234567"),
        (1e14, "1" + 14 * "0"), (1e300, "1e+300"),
    ],
)  # fmt: skip
def test_a_number_is_written_as_people_would(value: float, written: str) -> None:
    assert written == numeral(value)
