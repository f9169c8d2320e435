"""What a run prints: pure parts of plugins/callback/koin.py, and the line that it keeps up to date on a terminal."""
