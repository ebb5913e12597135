"""MeshRetry: what a client's proxy tries again, how often and when."""
