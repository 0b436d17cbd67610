"""How databases of earlier releases become those of this one; see `schema.migrate`."""
