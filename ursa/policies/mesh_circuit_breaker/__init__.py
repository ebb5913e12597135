"""MeshCircuitBreaker: limits what a cluster may hold open, and ejects endpoints that fail."""
