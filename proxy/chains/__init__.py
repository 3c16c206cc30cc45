"""What links exchanges: the logical conversation that a model saw."""
