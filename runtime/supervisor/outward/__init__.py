"""What leaves sessions that may reach a list of hosts: connections that the front makes for them."""
