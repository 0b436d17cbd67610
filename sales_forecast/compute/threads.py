"""One thread for small matrices: on busy cores, those of linear algebra cost tenfold.

Must not know what is computed.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from functools import lru_cache

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """Hold whatever has threads of its own to one, until the end of the context."""
    return _loaded(len(sys.modules)).limit(limits=1)


@lru_cache(1)
def _loaded(_modules: int) -> ThreadpoolController:
    """Return what has threads. To find it takes 10 ms: it is looked for anew after an import."""
    return ThreadpoolController()
