"""From described stages to a plan: bind, rules, explain."""
