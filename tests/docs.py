"""What the documentation shows, for tests that hold it to that."""

from __future__ import annotations

import re
from pathlib import Path

_DOCS = Path(__file__).parent.parent / "docs"


def code_blocks(page: str, language: str) -> list[str]:
    """The contents of the fenced blocks of a language on a page, in order."""
    text = (_DOCS / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def headings(page: str) -> set[str]:
    """The anchors of the headings of a page, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", (_DOCS / page).read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in found}
