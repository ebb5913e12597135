"""How a process lives: clock, supervised tasks, configuration, logging, metrics, certificates from files."""
