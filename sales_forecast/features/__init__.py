"""What a model is told of a series and a period."""
