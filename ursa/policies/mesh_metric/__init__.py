"""MeshMetric: exposes or pushes metrics of proxies and applications."""
