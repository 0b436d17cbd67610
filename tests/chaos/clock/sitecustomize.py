"""A clock that can be moved. Python reads this as it starts where PYTHONPATH names the folder.

The file that `CLOCK` names holds by how many seconds wall clocks are wrong; empty, they are right.
"""

import os
import time
from pathlib import Path

_RIGHT = time.time_ns
_WRONG = Path(os.environ["CLOCK"])


def _time_ns() -> int:
    return _RIGHT() + int(_WRONG.read_text() or 0) * 1_000_000_000


time.time_ns = _time_ns
time.time = lambda: _time_ns() / 1e9
