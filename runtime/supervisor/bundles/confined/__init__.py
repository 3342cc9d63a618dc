"""What the bundles of a server may reach."""
