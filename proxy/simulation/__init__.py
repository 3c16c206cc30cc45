"""What the simulator, one floor up, answers with."""
