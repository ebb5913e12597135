"""Who is told what, and when: snapshots of named bytes and the sessions that bring a client to the newest one.

Nothing here does I/O or knows what the bytes mean; `Dialect` tells which types exist and how they depend on each other.
"""
