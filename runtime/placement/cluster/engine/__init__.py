"""The engine that carries messages between machines: who reaches it, and as whom."""
