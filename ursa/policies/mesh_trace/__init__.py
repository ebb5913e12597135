"""MeshTrace: sends spans of requests to a tracing backend."""
