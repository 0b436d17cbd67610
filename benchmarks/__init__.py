"""Side-by-side measurements: never part of the package, never imported by it."""
