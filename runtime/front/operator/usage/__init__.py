"""What sessions used: added up, and lately."""
