"""Who can reach whom: endpoints, protocols, names and virtual addresses, as pure functions of resources."""
