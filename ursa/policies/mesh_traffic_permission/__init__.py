"""MeshTrafficPermission: who may talk to an inbound."""
