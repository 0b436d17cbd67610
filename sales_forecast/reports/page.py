"""A page of tables and pictures that needs nothing from elsewhere, and tables for a terminal.

Takes texts, gives HTML or lines. Must not know what they mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem;color:#222}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
table{border-collapse:collapse;width:100%;font-size:.9rem;margin-bottom:1rem}
th,td{text-align:left;padding:.3rem .6rem .3rem 0;border-bottom:1px solid #ddd;vertical-align:top}
td:first-child{min-width:8rem;max-width:18rem;overflow-wrap:anywhere}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
td.n:first-child,th.n:first-child{text-align:left}
svg{width:100%;height:auto;font:12px system-ui,sans-serif;fill:#444;margin:.5rem 0}
svg .title{font-weight:600;fill:#222}
.bad{color:#a1260d;font-weight:600}
"""


def whole_page(title: str, parts: Iterable[str]) -> str:
    """Return a page of parts, which are HTML."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"{''.join(parts)}</body></html>\n"
    )


def paragraph(text: str) -> str:
    """Return a paragraph; one that begins with a word in capitals and a colon stands out."""
    kind = ' class="bad"' if text.partition(":")[0].isupper() else ""
    return f"<p{kind}>{escape(text)}</p>"


def table(rows: Sequence[Sequence[str]], *, numbers: bool = False) -> str:
    """Return rows as a table, the first being its head; nothing for no rows."""
    if not rows:
        return ""
    head, *body = rows
    kind = ' class="n"' if numbers else ""
    top = "".join(f'<th scope="col"{kind}>{escape(cell)}</th>' for cell in head)
    below = "".join(
        f"<tr>{''.join(f'<td{kind}>{escape(cell)}</td>' for cell in row)}</tr>" for row in body
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{below}</tbody></table>"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines of equal columns; none for no rows."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.rjust, row, widths)) for row in rows]
