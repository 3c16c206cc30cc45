"""Faults on top of what was recorded: what upstream would have said, and where a recorded answer is broken. Pure."""
