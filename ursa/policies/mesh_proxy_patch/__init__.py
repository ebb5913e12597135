"""MeshProxyPatch: changes the finished Envoy configuration by hand."""
