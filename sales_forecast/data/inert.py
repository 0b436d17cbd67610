"""Texts of a CSV file that a spreadsheet shows as they are, and never takes for a formula.

Takes a cell, gives one. Only where people open the file: to a program, the sign before a text is a
part of its name.
"""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def inert(cell: object) -> object:
    """Return a text with an apostrophe before it where a formula could begin; else the cell."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def alive(text: str) -> str:
    """Return the text of a cell that `inert` wrote."""
    return text[1:] if text[:1] == "'" and text[1:].startswith(_FORMULA) else text
