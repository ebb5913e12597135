"""Real etcd, PostgreSQL and Redis for tests: throw-away servers on free ports, started and killed at will."""
