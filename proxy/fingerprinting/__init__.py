"""What a fingerprint is made of: canonical JSON, parts of forms, values that do not count."""
