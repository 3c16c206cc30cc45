"""Settings, rules and errors. Imports nothing else of playhead."""
