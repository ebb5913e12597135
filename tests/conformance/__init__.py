"""Recorded cases of the real thing, run against our commands as separate processes: the last word on compatibility."""
