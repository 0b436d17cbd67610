"""What runs in containers, from the image to the clock that starts it."""
