"""`ursa-cp`: starts control planes and looks after what they store, without knowing any of them by name."""
