"""ursactl: operates a control plane over its HTTP API, and starts fast because it loads only what a command needs."""
