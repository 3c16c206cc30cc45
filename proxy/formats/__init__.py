"""How sessions are written to files and read from them."""
