"""Fitted models: what backtest, bundle and service all ask. numpy alone, and trees by ONNX."""

import os

# ONNX Runtime reports its use to its makers from the moment it is imported, unless told before.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
