"""Code as AWS is given it: user data packed, which cloud-init unpacks, and files of functions."""

from __future__ import annotations

import gzip
import io
import zipfile

_GZIP = b"\x1f\x8b"


def packed(text: str) -> bytes:
    """Return a text packed."""
    return gzip.compress(text.encode(), mtime=0)


def unpacked(data: bytes) -> bytes:
    """Return what was packed, by whatever release of zlib; or what was not, as 0.6 left it."""
    return gzip.decompress(data) if data.startswith(_GZIP) else data


def zipped(name: str, content: bytes) -> bytes:
    """Return a zip of one file: equal content gives equal bytes, by whatever release of zlib."""
    file = zipfile.ZipInfo(name)  # of 1980
    file.create_system = 3  # Unix, by which everybody may read it
    file.external_attr = 0o644 << 16
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(file, content)
    return made.getvalue()
