# Written by `python -m runtime.compat.stubs`.
