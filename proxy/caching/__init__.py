"""Which turn of a conversation broke the cached beginning of its prompt, where, why, and what that cost."""
