"""What is done with the stacks once they stand: sales loaded, models trained, logs read."""
