"""Timings, as ratios to a limit measured in the same run.  ``make bench``; nothing here is a test."""
