"""From what passes to the frames that the journal gets."""
