"""Groups of neurons on cores."""
