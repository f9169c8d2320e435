"""The platform as data: observe (I/O) -> model -> plan (pure).

``engine`` names no kind of resource: it checks, observes, compares and renders whatever it is given. ``kinds`` hold
everything that is known about each kind, one file per AWS service. Only ``engine.observe`` and ``engine.session`` call
AWS; ``engine.warm`` loads boto3 for the modules that it runs. ``distribution_config`` is shared with a module.
"""
