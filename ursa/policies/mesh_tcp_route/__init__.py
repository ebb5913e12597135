"""MeshTCPRoute: splits connections between backends."""
