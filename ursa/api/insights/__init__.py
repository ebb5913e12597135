"""Counts over what is there: computed from the view when asked for, never stored, remembered while nothing changes."""
