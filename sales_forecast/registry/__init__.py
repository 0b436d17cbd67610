"""MLflow: the only package that imports it, and never on the path of a request."""
