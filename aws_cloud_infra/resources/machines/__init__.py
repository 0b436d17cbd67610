"""What runs on a machine of its own: the host of MLflow."""
