"""The port that proxies talk to: bootstrap over HTTP, discovery and health discovery over gRPC."""
