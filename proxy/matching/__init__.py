"""What rules do to requests before `fingerprint`, one floor up, takes their digest."""
