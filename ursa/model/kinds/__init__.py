"""Declarations of all kinds except targetRef policies, by noun."""
