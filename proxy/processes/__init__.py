"""The processes of the program: what each is, how they are started, and how they end."""
