"""Backups of what a host holds and their restore, in encrypted restic repositories in S3."""
