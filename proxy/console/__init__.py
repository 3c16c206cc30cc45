"""The console: health and metrics on a port of its own."""
