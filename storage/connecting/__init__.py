"""Connections and their logs of messages."""
