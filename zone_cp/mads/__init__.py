"""Tells Prometheus where the metrics of this zone's proxies are read."""
