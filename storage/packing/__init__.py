"""How bodies and columns are made small. Pure."""
