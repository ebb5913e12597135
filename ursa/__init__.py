"""The shared kernel of Ursa: what both control planes, the proxy launcher and the command line are built from."""
