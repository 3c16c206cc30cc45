"""Requests over HTTP, answered from recordings that `player`, one floor up, has read."""
