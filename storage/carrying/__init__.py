"""Sessions carried out of a store, into one, and beside another."""
