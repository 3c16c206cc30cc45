"""Answers out of the events that tell them, and the other way round. `fold` and `unfold`, one floor up, are the doors."""
