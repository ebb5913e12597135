"""gRPC on streams of HTTP/2: its messages, its statuses, and calls that handlers serve."""
