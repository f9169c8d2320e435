"""What somebody tries who has taken over an application of stage, stage's host, or stage's role: moves, as data."""
