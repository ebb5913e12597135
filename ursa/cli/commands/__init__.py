"""One file per command, each loaded only when it runs."""
