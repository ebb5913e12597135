"""MeshHealthCheck: lets clients probe the endpoints of a destination."""
