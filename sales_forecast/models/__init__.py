"""Models, all behind the one protocol of `base`; and what stands behind all of them."""
