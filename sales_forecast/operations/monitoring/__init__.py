"""What is watched of the champion: rules on its own errors, and what is decided on them."""
