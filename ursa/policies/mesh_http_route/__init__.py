"""MeshHTTPRoute: routes requests by path, method, headers and query parameters."""
