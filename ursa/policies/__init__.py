"""What should happen: one package per policy.

`core/` matches and merges targetRef policies; `legacy/` holds the source/destination policies, deletable as a whole.
"""
