"""The float executor."""
