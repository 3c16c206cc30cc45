"""What is deleted: exchanges, and by the retention clocks."""
