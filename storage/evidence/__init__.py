"""The tamper-evident chain: an entry with a salted digest for each change of a row, and the checks that find rows without one."""
