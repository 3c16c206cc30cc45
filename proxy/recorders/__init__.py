"""What `recorder`, one floor up, needs to live on through kills."""
