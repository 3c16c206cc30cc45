"""What journal frames make: the parts of an exchange, as `recording`, one floor up, puts them together."""
