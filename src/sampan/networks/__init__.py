"""What a container's network stack is joined to: drivers behind one protocol."""
