"""What a session tells the front about itself: its counts, and the work it measured."""
