"""What becomes of the attempts that nodes have: found again after a start, ended, given up."""
