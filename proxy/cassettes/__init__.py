"""Cassettes as files: read, recorded into, and replayed from memory."""
