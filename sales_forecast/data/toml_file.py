"""A file in TOML that somebody wrote by hand.

Takes a place, gives what stands there, or a refusal that names the file. Must not know what it
describes.
"""

from __future__ import annotations

import tomllib
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from sales_forecast.errors import DataRefused


def read_toml(place: Traversable, file: Path) -> dict[str, Any]:
    """Return what stands there; `file` is its name for people.

    Raises DataRefused, and OSError where it cannot be read.
    """
    try:
        return tomllib.loads(place.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise DataRefused(file, f"is not TOML: {error}") from None
    except UnicodeDecodeError:
        raise DataRefused(file, "is not text in UTF-8; save it as UTF-8") from None
