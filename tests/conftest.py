"""The property tests draw the same on every clone, however slow; `make draw` draws anew, ever again."""

from hypothesis import HealthCheck, settings

# A machine that other work shares may take any time for an example; that says nothing of the code.
LASTING = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("same", derandomize=True, **LASTING)
settings.register_profile("anew", print_blob=True, **LASTING)
settings.load_profile("same")
