"""What models would have said, and how wrong they would have been."""
