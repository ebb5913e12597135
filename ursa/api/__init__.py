"""The HTTP API that both control planes serve: Kuma's paths and answers, generated from the registry of kinds."""
