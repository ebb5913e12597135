"""Where resources live: the contract, one file per engine, the change feed and the lease."""
