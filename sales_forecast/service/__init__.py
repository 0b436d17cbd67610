"""The HTTP service: knows the bundle, the database and the features, and trains nothing."""
