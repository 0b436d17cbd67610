"""MLflow: the only package that imports it, and never on the path of a request."""

import os

# MLflow reports its use to its makers from the moment it is imported, unless told before.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
