"""The lock of the MLflow host: of each package the one wheel that its Python takes, with its hash.

Takes the lock of development, whose versions hold, gives `requirements.txt` beside this file. A
lock with the wheels of all platforms is eighty kilobytes, and user data sixteen. `make lock` runs
it; nothing else does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).with_name("requirements.txt")
WANTED = ("mlflow", "flask-wtf", "pymysql[rsa]", "psycopg[binary]", "boto3")
_DEVELOPMENT = Path("requirements/dev.txt")
_PYTHON = "3.11"
_GLIBC = 34
"""What Amazon Linux 2023 has: 2.34."""


def main() -> None:
    """Write the lock."""
    resolved = _run(
        "uv", "pip", "compile", "--quiet", "--python-version", _PYTHON, "--no-header",
        "--python-platform", f"x86_64-manylinux_2_{_GLIBC}", "--no-annotate",
        "--constraints", str(_DEVELOPMENT), "-", told="\n".join(WANTED),
    )  # fmt: skip
    linux = (f"manylinux_2_{minor}_x86_64" for minor in range(_GLIBC, 4, -1))
    report = _run(
        "pip", "install", "--quiet", "--dry-run", "--report", "-", "--ignore-installed",
        "--no-deps", "--only-binary", ":all:", "--python-version", _PYTHON, "--target", "nowhere",
        *(f"--platform={name}" for name in (*linux, "manylinux2014_x86_64")),
        "-r", "/dev/stdin", told=resolved,
    )  # fmt: skip
    lines = [
        f"{item['metadata']['name'].lower().replace('_', '-')}=={item['metadata']['version']}"
        f" --hash=sha256:{item['download_info']['archive_info']['hashes']['sha256']}\n"
        for item in json.loads(report)["install"]
    ]
    LOCK.write_text("".join(sorted(lines)), encoding="ascii")


def _run(*command: str, told: str) -> str:
    done = subprocess.run(  # noqa: S603 - no shell, and nothing of a stranger
        [sys.executable, "-m", *command], input=told, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


if __name__ == "__main__":
    main()
