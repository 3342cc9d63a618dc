"""Bundles that were sent to a front: nodes fetch them by their digest, load them, and say so."""
