"""MeshAccessLog: writes a line per request or connection."""
