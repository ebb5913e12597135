"""MeshRateLimit: limits how many requests and connections an inbound accepts."""
