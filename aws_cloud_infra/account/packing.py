"""User data as EC2 is given it: packed, which cloud-init unpacks, for EC2 takes 16 KB."""

from __future__ import annotations

import gzip

_GZIP = b"\x1f\x8b"


def packed(text: str) -> bytes:
    """Return a text packed."""
    return gzip.compress(text.encode(), mtime=0)


def unpacked(data: bytes) -> bytes:
    """Return what was packed, by whatever release of zlib; or what was not, as 0.6 left it."""
    return gzip.decompress(data) if data.startswith(_GZIP) else data
