"""Make the tables of the documentation anew, each by the command that stands above it.

    python -m benchmarks.tables --data FOLDER docs/{accuracy,daily,layouts,honesty,tuning}.md

`FOLDER` holds the public files: `Walmart_Sales.csv`, and the folders `walmart_departments` and
`rossmann`. On two cores docs/accuracy.md takes a minute, all of them an hour; what changed,
`git diff` shows.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path

_COMMAND = re.compile(
    r"^    (python train\.py (?:backtest|audit|tune)(?: [^\s\\]+| \\\n\s+[^\s\\]+)*)$", re.MULTILINE
)
_TABLE = re.compile(r"^\| (?:model|leak|relative error) .*\n(?:\|.*\n)+", re.MULTILINE)


def anew(page: str, data: Path) -> str:
    """Return a page whose commands were run, each with the first table that it prints below it."""
    parts, done = [], 0
    for command in _COMMAND.finditer(page):
        table = _TABLE.search(page, command.end())
        following = _COMMAND.search(page, command.end())
        if table and (following is None or table.start() < following.start()):
            parts += [page[done : table.start()], _printed(command[1], data)]
            done = table.end()
    return "".join([*parts, page[done:]])


def _printed(command: str, data: Path) -> str:
    words = shlex.split(command.replace("\\\n", " "))[1:]
    files = {
        "data/Walmart_Sales.csv": data / "Walmart_Sales.csv",
        "FOLDER": data / ("rossmann" if "daily" in words else "walmart_departments"),
    }
    here = [str(files.get(word, word)) for word in words]
    print(" ".join(here), file=sys.stderr)
    done = subprocess.run([sys.executable, *here], stdout=subprocess.PIPE, text=True, check=True)
    table = _TABLE.search(done.stdout + "\n")
    if table is None:
        raise SystemExit(f"`{command}` prints no table.")
    return table[0]


def main() -> int:
    """Rewrite the pages that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--data", required=True, type=Path)
    chosen = parser.parse_args()
    for page in chosen.pages:
        page.write_text(anew(page.read_text(), chosen.data))
    return 0


if __name__ == "__main__":
    sys.exit(main())
