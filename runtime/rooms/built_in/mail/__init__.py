"""Mail of rooms: addresses, what waits for its agent or its server, and the doors through which it comes."""
