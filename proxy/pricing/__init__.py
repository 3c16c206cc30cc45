"""What exchanges cost: rates out of price tables, amounts out of usage, where money is counted, and what may still be spent."""
