"""MeshPassthrough: says which destinations outside the mesh a proxy lets through."""
