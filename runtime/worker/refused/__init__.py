"""What a session is refused by its confinement: noticed, and told to the front."""
