"""Who may do what: roles, their policies, and what hands roles out."""

from __future__ import annotations

PATH = "/sales-forecasting/"
"""Where everything of this software is in IAM, of every project and environment of an account."""
