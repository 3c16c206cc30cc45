"""How requests reach upstream and answers come back: heads, addresses, admission, connections of clients."""
