"""MeshTimeout: how long connections, requests and streams may take or rest."""
