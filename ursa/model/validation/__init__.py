"""Semantic rules of kinds, with Kuma's field paths and messages, because tools and people match on them."""
