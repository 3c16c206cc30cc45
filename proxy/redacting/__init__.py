"""`playhead redact`: what was recorded is rewritten after the fact. Pure."""
