"""The proxy: wire formats, recording, forwarding and the faces."""
