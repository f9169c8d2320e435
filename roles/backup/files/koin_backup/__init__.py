"""Backups of MariaDB and their restore: physical backups and binary logs, in one encrypted restic repository in S3."""
