"""The life of connected proxies: who they are, their resource in the store, what is known about them."""
