"""Policy documents in the one form that AWS also returns them in, so that they never show as drift.

Takes and gives plain JSON structures.
"""

from __future__ import annotations

import json
from typing import Any

Document = dict[str, Any]


def policy(*statements: Document) -> Document:
    """Return a policy document of these statements."""
    return canonical({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions: str | list[str], resources: str | list[str], **more: Any) -> Document:
    """Return a statement; `more` holds a Condition or a Sid."""
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


def trust(service: str, **condition: Any) -> Document:
    """Return the policy that lets an AWS service take a role on."""
    return policy(
        {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
            **({"Condition": condition} if condition else {}),
        }
    )


def canonical(document: str | Document) -> Document:
    """Return a document with lists sorted, and lists of one as the one in them."""
    parsed: Any = json.loads(document) if isinstance(document, str) else document
    parsed = dict(parsed)
    statements = parsed.get("Statement", [])
    if isinstance(statements, dict):
        statements = [statements]
    parsed["Statement"] = [_tidy(statement) for statement in statements]
    return parsed


def _tidy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tidy(item) for key, item in value.items()}
    if isinstance(value, list):
        items = sorted((_tidy(item) for item in value), key=str)
        return items[0] if len(items) == 1 else items
    return value
