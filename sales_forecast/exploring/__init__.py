"""What sales look like, before anything is learned from them."""
