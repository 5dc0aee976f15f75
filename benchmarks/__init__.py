"""Measurements anyone can repeat: one command each, figures as ratios within one run."""
