"""What words of a command line mean: takes text, gives a value, or says what is wrong with it."""

from __future__ import annotations

import argparse
from datetime import date

from sales_forecast.sources import LAYOUTS, OWN_LAYOUT


def count(text: str) -> int:
    """Read a number of things, at least one."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 1")
    return int(text)


def seed(text: str) -> int:
    """Read a seed of 32 bits."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 to {2**32 - 1}")
    return int(text)


def day(text: str) -> date:
    """Read a day, YYYY-MM-DD."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not a day like 2011-10-28") from error


def layout(text: str) -> str:
    """Read the name of a layout, or of a file that describes one's own."""
    if text not in LAYOUTS and not text.endswith(OWN_LAYOUT):
        known = ", ".join(LAYOUTS)
        raise argparse.ArgumentTypeError(f"{text} is none of {known} and no file *{OWN_LAYOUT}")
    return text


def add_layout(parser: argparse.ArgumentParser) -> None:
    """Let a command be told the layout of its file."""
    parser.add_argument(
        "--layout",
        type=layout,
        default="stores",
        help=f"{', '.join(LAYOUTS)}, or a file that describes your own (*{OWN_LAYOUT}); "
        "default: stores",
    )
