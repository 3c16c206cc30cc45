"""How requests reach upstream and answers come back: heads, addresses, admission, the client side."""
