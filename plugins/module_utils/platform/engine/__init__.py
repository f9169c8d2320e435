"""Check, observe, plan, render, apply. Names no kind: the catalogue of kinds is handed in."""
