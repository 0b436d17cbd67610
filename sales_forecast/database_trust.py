"""A database that must prove itself: TLS, by a certificate of its name that an authority signed.

Takes DATABASE_URL and who signs, gives the URL by which drivers hold it to that. Must not connect.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, urlencode

AS_THE_URL_SAYS = "-"
_PEM = "-----BEGIN"
_FILE = "database-ca.pem"
_DEMANDS = {
    "mysql": ("ssl_ca", {"ssl_check_hostname": "true"}),
    "postgresql": ("sslrootcert", {"sslmode": "verify-full"}),
}


def verified(url: str, authority: str, folder: Path) -> str:
    """Return a URL whose server must prove to be the host it names; SQLite proves nothing.

    Args:
        url: as DATABASE_URL.
        authority: who signs: text in PEM, or a file with it; "-": `url` as it is.
        folder: where a text is put into a file, which drivers want.

    Raises:
        OSError: If the file cannot be written.
        ValueError: If the file that is named cannot be read, or holds no certificates.
    """
    address, _, query = url.partition("?")
    demands = _DEMANDS.get(address.partition("://")[0].partition("+")[0])
    if authority == AS_THE_URL_SAYS or demands is None:
        return url
    name, more = demands
    is_text = authority.startswith(_PEM)
    file = written(authority, folder / _FILE) if is_text else _with_certificates(authority)
    return f"{address}?{urlencode({**dict(parse_qsl(query)), name: file, **more})}"


def _with_certificates(name: str) -> Path:
    """Return a file by its name: drivers say of a wrong one neither its name nor the setting's."""
    file = Path(name)
    try:
        text = file.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise ValueError(f"the file {file} cannot be read: {error.strerror}.") from None
    if _PEM not in text:
        raise ValueError(f"the file {file} holds no certificate in PEM ({_PEM} CERTIFICATE-----).")
    return file


def written(text: str, file: Path) -> Path:
    """Return a file that holds a text. Raises OSError if it cannot be written."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file = file.resolve()
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        new = file.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(file)
    return file
