"""The property tests draw the same on every clone; `make draw` draws anew, ever again."""

from hypothesis import settings

settings.register_profile("same", derandomize=True)
settings.register_profile("anew", print_blob=True)
settings.load_profile("same")
