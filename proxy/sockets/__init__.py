"""The other end of a client's WebSocket, where that is not upstream: recorded connections are said again, and what is missing is asked of upstream."""
