"""The HTTP service: knows bundle, database and predictor, and trains nothing."""
