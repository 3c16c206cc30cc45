"""What the pytest plugin is made of. Nothing of it is imported before a test wants playhead."""
