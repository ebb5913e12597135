"""MeshTLS: sets the TLS mode, versions and ciphers of inbounds."""
