"""Files that a command is told to write: refused before the work, written as a whole after it.

Takes paths and contents, gives files; or raises SettingsError with the path. Must not know what
is written.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile

from sales_forecast.errors import SettingsError
from sales_forecast.reports.whole import is_stream, whole


def check(*files: Path | None, folder: Path | None = None) -> None:
    """Raise SettingsError if a file, or files in a folder that may be new, could not be written.

    Nor may two of them be one. None stands for what is not asked for. Leaves nothing behind.
    """
    asked = [file for file in files if file]
    for number, file in enumerate(asked):
        if file in asked[:number]:
            raise SettingsError(f"{file} cannot be written: it is named twice.")
    try:
        for file in asked:
            if file.is_dir() or not file.parent.is_dir():
                raise SettingsError(f"{file} cannot be written: no file can be there.")
            if not is_stream(file):
                _try(file.parent, file)
        if folder and not folder.is_dir() and (folder.exists() or not folder.parent.is_dir()):
            raise SettingsError(f"{folder} cannot be written: no folder can be there.")
        if folder:
            _try(folder if folder.is_dir() else folder.parent, folder)
    except OSError as error:
        raise _refusal(Path(error.filename), error) from error


def _try(place: Path, asked: Path) -> None:
    """Write into a folder, for a moment."""
    try:
        TemporaryFile(dir=place).close()
    except OSError as error:
        raise _refusal(asked, error) from error


def write(file: Path, content: str | bytes) -> None:
    """Write all of a file or nothing; make its folder if there is none. Raises SettingsError."""
    try:
        file.parent.mkdir(exist_ok=True)
        with whole(file) as aside:
            aside.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise _refusal(file, error) from error


def _refusal(path: Path, error: OSError) -> SettingsError:
    return SettingsError(f"{path} cannot be written: {error.strerror}")
