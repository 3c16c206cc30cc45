"""What a replay reads and leaves: fingerprints, match rules, divergences, faults that were served."""
