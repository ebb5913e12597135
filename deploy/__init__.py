"""Ways to run Ursa. `deploy.demo` is the one-command demonstration."""
