"""Names and what they refer to: load, save, import, tag, remove, inspect, history."""
