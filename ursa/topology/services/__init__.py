"""Real services: where they come from, what is known about them, which addresses and names they have. Pure."""
