"""A whole mesh on one laptop, no root: a global, two zones, real Envoys, real traffic, a fail-over to watch."""
