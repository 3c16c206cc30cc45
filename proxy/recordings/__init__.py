"""What a player reads of recordings: which there are, what was decided, and each as it is told again."""
