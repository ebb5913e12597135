"""Rules of source/destination policies of the older generation (`spec/policies-legacy.md` §3), one file per policy."""
