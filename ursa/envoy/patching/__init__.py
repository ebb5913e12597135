"""Modifications by hand of finished resources: the last thing that happens to a proxy's configuration."""
