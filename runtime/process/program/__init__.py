"""How a bundle's program is started, how urgent that is, and why it may not have come to its end."""
