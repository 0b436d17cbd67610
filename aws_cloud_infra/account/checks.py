"""What a setting may be. Each check gives it back as it is, or raises what is allowed."""

from __future__ import annotations

import ipaddress
import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

_PRIVATE = [ipaddress.IPv4Network(t) for t in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]


def names(text: str) -> list[str]:
    """Return names with commas or spaces between them."""
    return text.replace(",", " ").split()


Names = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(lambda value: names(value) if isinstance(value, str) else value),
]
"""A list in the file; names with commas between them in a variable."""


def private_network(text: str) -> str:
    """Return a network of /16 to /24 in an address space that is nobody's."""
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise ValueError(f"{error}; for example 10.20.0.0/16") from None
    private = any(network.subnet_of(whole) for whole in _PRIVATE)
    if not (private and 16 <= network.prefixlen <= 24):  # noqa: PLR2004 - below
        raise ValueError(
            f"{text} is not a network of /16 to /24 in 10.0.0.0/8, 172.16.0.0/12 or "
            "192.168.0.0/16; for example 10.20.0.0/16"
        )
    return text


def one_of(value: Any, allowed: Any, hint: str = "") -> Any:
    """Return a value that is among those allowed."""
    if value not in allowed:
        listed = ", ".join(str(item) for item in allowed)
        raise ValueError(f"{value} is not one of {listed}. {hint}".rstrip())
    return value


def form(text: str | None, pattern: str, example: str) -> str | None:
    """Return a text that looks as it must, or None as it is."""
    if text is not None and not re.fullmatch(pattern, text):
        raise ValueError(f"{text} does not look like {example}")
    return text


def room_to_grow(storage: int, most: int | None) -> None:
    """Check what RDS asks for where storage, in GB, is to grow by itself. Raises ValueError."""
    least = math.ceil(storage * 1.1)
    if most and most < least:
        raise ValueError(
            f"database_max_storage_gb {most} must be at least {least}, a tenth more than "
            f"database_storage_gb {storage}"
        )
