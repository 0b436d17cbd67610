"""What IAM would answer: whether statements allow an action on a resource in a context.

As much of IAM's evaluation as the policies of one account need: neither boundaries nor policies of
resources.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

Context = Mapping[str, str]
"""Condition keys of a call, such as "aws:ResourceTag/Project"; what is not in it is not there."""


def allows(
    statements: Iterable[Mapping[str, Any]], action: str, resource: str, context: Context
) -> bool:
    """Return whether a statement allows it and none denies it."""
    effects = {
        statement["Effect"]
        for statement in statements
        if any(like(name.lower(), action.lower()) for name in _listed(statement["Action"]))
        and any(like(name, resource) for name in _listed(statement["Resource"]))
        and _holds(statement.get("Condition", {}), context)
    }
    return effects == {"Allow"}


def like(pattern: str, text: str) -> bool:
    """Return whether a text fits a pattern of IAM: * for anything, ? for one letter."""
    regex = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(regex, text, re.DOTALL) is not None


_TESTS = {"StringEquals": str.__eq__, "StringLike": like, "ArnEquals": like, "ArnLike": like}


def _holds(condition: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    """Return whether every key is there and fits one of its values."""
    return all(
        any(_TESTS[test.removeprefix("ForAllValues:")](value, context[key])
            for value in _listed(values))
        if key in context
        else test.startswith("ForAllValues:")
        for test, keys in condition.items()
        for key, values in keys.items()
    )  # fmt: skip


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
