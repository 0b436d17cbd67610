"""The verbs of `infra.py` and `mlflow_infra.py`: read a command line, call, print."""
