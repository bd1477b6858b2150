"""What Docker's clients send and expect: bodies, filters, versions, stdcopy framing. Pure; shared by api and client."""
