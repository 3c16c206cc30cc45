"""The ledger: what each exchange costs, and the sums that reports ask for."""
