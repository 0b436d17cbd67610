"""How far apart the periods of a panel are: a week or a day, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass

DAYS_PER_PERIOD = 7
SEASON_LENGTH = 52  # weeks: 364 days, so that a week is compared with the same weekdays


@dataclass(frozen=True)
class Frequency:
    """How far apart the periods of a panel are.

    Attributes:
        name: what layouts and a stored spec call it.
        unit: what one period is called.
        field: what a period is called in an answer.
        days: from one period to the next.
        season: periods after which the same weekday of the same season returns.
        a_year: the most periods ahead that can be asked for.
    """

    name: str
    unit: str
    field: str
    days: int
    season: int
    a_year: int

    @property
    def a_week(self) -> int:
        """Periods after which the same weekday returns."""
        return DAYS_PER_PERIOD // self.days

    def periods(self, weeks: int) -> int:
        """Return how many periods so many weeks are."""
        return weeks * self.a_week

    @classmethod
    def of(cls, name: object) -> Frequency:
        """Return the frequency of a name. Raises ValueError."""
        if isinstance(name, Frequency):
            return name
        for known in (WEEKLY, DAILY):
            if known.name == name:
                return known
        raise ValueError(f"it is {WEEKLY.name} or {DAILY.name}, not {name}")


def counted(number: int, word: str) -> str:
    """Return how many there are of what a word names: 1 week, 1,115 weeks."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


WEEKLY = Frequency("weekly", "week", "week", DAYS_PER_PERIOD, SEASON_LENGTH, SEASON_LENGTH)
DAILY = Frequency("daily", "day", "date", 1, DAYS_PER_PERIOD * SEASON_LENGTH, 365)
