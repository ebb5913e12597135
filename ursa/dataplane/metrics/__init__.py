"""Metrics of Envoy and of the applications beside it, gathered for whoever reads them or wants them sent."""
