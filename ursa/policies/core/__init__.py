"""What all targetRef policies share: references, selection of proxies, precedence, merging, rule building."""
