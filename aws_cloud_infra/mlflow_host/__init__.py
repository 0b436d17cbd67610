"""What the MLflow host is told to do at every start, as user data.

Takes names of what it uses and the project's lock, gives one text of less than 16 KB once packed.
Must not hold anything secret: everybody who may describe the instance can read it.
"""

from __future__ import annotations

import re
import shlex
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path

from aws_cloud_infra.account.errors import InfraError
from aws_cloud_infra.account.packing import packed

LIMIT = 16_384
"""Bytes of user data that EC2 takes; cloud-init unpacks what is packed by gzip."""

_HERE = Path(__file__).parent
_LOCK = _HERE.parents[1] / "requirements" / "dev.txt"
_NEEDED = """
aiohappyeyeballs aiohttp aiosignal alembic annotated-doc annotated-types anyio attrs blinker boto3
botocore cachetools certifi cffi charset-normalizer click cloudpickle contourpy cryptography cycler
databricks-sdk docker fastapi flask flask-cors flask-wtf fonttools frozenlist gitdb gitpython
google-auth graphene graphql-core graphql-relay gunicorn h11 huey idna importlib-metadata
itsdangerous jinja2 jmespath joblib kiwisolver mako markupsafe matplotlib mlflow mlflow-skinny
mlflow-tracing multidict narwhals numpy opentelemetry-api opentelemetry-proto opentelemetry-sdk
opentelemetry-semantic-conventions packaging pandas pillow prettytable propcache protobuf pyarrow
pyasn1 pyasn1-modules pycparser pydantic pydantic-core pymysql pyparsing python-dateutil
python-dotenv pyyaml requests s3transfer scikit-learn scipy six skops smmap sqlalchemy sqlparse
starlette threadpoolctl typing-extensions typing-inspection urllib3 uvicorn wcwidth werkzeug wtforms
yarl zipp
"""
"""What MLflow, PyMySQL and boto3 bring along; the whole lock would not fit."""
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

    Raises InfraError if it is too long for EC2, or if there is no lock to take the versions from.
    """
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
        _printing("pins", "\n".join(pins(lock))),
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
            f"the script, start.py and {len(pins(lock))} pinned versions must become shorter."
        )
    return whole


def pins(lock: Path) -> list[str]:
    """Return what the host needs of a lock, without hashes. Raises InfraError if there is none."""
    try:
        lines = lock.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InfraError(
            f"{lock} cannot be read: {error.strerror}. Deploy from a copy of the repository."
        ) from None
    needed = _NEEDED.split()
    plain = (
        re.sub(r"\[.*?]", "", line).rstrip("\\ ") for line in lines
    )  # no extras in constraints
    return [line for line in plain if line.partition("==")[0] in needed]


def _printing(function: str, text: str) -> str:
    return f"{function}() {{ cat <<'END_OF_FILE'\n{text}\nEND_OF_FILE\n}}"
