"""Names that no column of a layout of one's own may have, because the service uses them.

In lower case; those of a file are compared without it.
"""

from __future__ import annotations

RESERVED = frozenset(
    {
        "active", "answered_by", "as_of", "by", "caller", "cleared", "cost_of_one_too_few",
        "cost_of_one_too_many", "cursor", "date", "endpoint", "form", "from", "level", "limit",
        "model", "quantiles", "reason", "series", "since", "step", "steps", "to", "until", "week",
    }
)  # fmt: skip
"""What requests are told by: no key and no covariate may be called so."""
ANSWERED = frozenset(
    {
        "ahead", "forecast", "issued_at", "lower", "median", "model_version", "origin", "planned",
        "q", "sales", "upper", "version", "warnings",
    }
)  # fmt: skip
"""What answers say beside the keys, and addresses of pages: no key may be called so, either."""
