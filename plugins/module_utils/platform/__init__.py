"""The platform as data: observe (I/O) -> model -> plan (pure).

Four kinds of code are kept apart: ``observe`` is the only one that talks to AWS; ``kinds`` describe what a
resource looks like when declared and when observed; ``plan`` compares the two; ``render`` writes the result for
people. Nothing but ``observe`` and ``session`` imports boto3.
"""
