"""Who can reach what in the network of the account: a model of it, and what packets would do in it. Pure.

``matrix.as_data`` returns everything as plain data.
"""
