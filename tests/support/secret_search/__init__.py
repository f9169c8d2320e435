"""Looks for the platform's secrets everywhere that is not declared as their place."""
