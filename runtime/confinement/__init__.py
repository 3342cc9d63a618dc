"""What a session may reach: who asks for what, what holds, and why something was refused.  Pure."""
