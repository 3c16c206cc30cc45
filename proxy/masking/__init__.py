"""Where secrets stand in what passes, for `redaction`, one floor up."""
