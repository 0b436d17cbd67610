"""What the MLflow host is told to do at every start, as user data.

Takes names of what it uses and the lock beside it, gives one text of less than 16 KB once packed.
Must not hold anything secret: everybody who may describe the instance can read it.
"""

from __future__ import annotations

import shlex
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path

from aws_cloud_infra.account.errors import InfraError
from aws_cloud_infra.account.packing import packed

LIMIT = 16_384
"""Bytes of user data that EC2 takes; cloud-init unpacks what is packed by gzip."""

_HERE = Path(__file__).parent
_LOCK = _HERE / "requirements.txt"
_EVERY_START = "#cloud-config\ncloud_final_modules:\n- [scripts-user, always]\n"
_BOUNDARY = "==next-part=="
"""Always the same, so that equal user data is equal text."""


def user_data(
    *,
    region: str,
    bucket: str,
    database: str,
    secrets: str,
    authorities: str,
    host_name: str,
    log_group: str,
    port: int = 5000,
    lock: Path = _LOCK,
) -> str:
    """Return the user data: `setup.sh` with `start.py` and the pins, for cloud-init at each start.

    Raises InfraError if it is too long for EC2, or if there is no lock.
    """
    try:
        pins = lock.read_text(encoding="ascii").rstrip()
    except OSError as error:
        raise InfraError(
            f"{lock} cannot be read: {error.strerror}. Deploy from a copy of the repository."
        ) from None
    variables = {
        "REGION": region,
        "BUCKET": bucket,
        "DATABASE": database,
        "SECRETS": secrets,
        "AUTHORITIES_NAME": authorities,
        "HOST_NAME": host_name,
        "LOG_GROUP": log_group,
        "PORT": str(port),
    }
    script = "\n".join([
        "#!/bin/bash",
        *(f"export {name}={shlex.quote(value)}" for name, value in variables.items()),
        _printing("pins", pins),
        _printing("start_py", (_HERE / "start.py").read_text(encoding="ascii").rstrip()),
        (_HERE / "setup.sh").read_text(encoding="ascii").removeprefix("#!/bin/bash\n"),
    ])  # fmt: skip
    message = MIMEMultipart(boundary=_BOUNDARY)
    for text, kind in ((_EVERY_START, "cloud-config"), (script, "x-shellscript")):
        message.attach(MIMEText(text, kind, "us-ascii"))
    whole = message.as_string()
    size = len(packed(whole))
    if size > LIMIT:
        raise InfraError(
            f"The user data of the MLflow host has {size} bytes, and EC2 takes {LIMIT}: "
            f"the script, start.py and {pins.count('==')} pinned versions must become shorter."
        )
    return whole


def _printing(function: str, text: str) -> str:
    return f"{function}() {{ cat <<'END_OF_FILE'\n{text}\nEND_OF_FILE\n}}"
