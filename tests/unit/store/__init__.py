"""Parts of the store that need no engine."""
