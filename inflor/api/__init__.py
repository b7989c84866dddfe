"""The verbs of the command line as functions: they find files, call the stages in order and remember provenance."""
