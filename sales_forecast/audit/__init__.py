"""Whether anything that is measured knows what came after its cutoff."""
