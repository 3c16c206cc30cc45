"""What exchanges cost: rates out of price tables, amounts out of usage, and where money is counted. Pure."""
