"""Whether IAM lets a call through: who calls, what is asked for, what policies say.

The keys of the rehearsal are those of the account's root, which may do everything. Keys that IAM has made are a user's
or a role's, and do what its policies allow.
"""
