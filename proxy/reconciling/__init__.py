"""Recordings beside what the provider says of them: its exports are read, laid beside the ledger, and what differs is explained. Pure."""
