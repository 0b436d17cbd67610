"""What runs by the clock, without a caller."""
