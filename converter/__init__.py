"""Stage 1: trained networks to NIR graphs, and what reads, checks and runs them in float."""

if __name__ != "inflor.converter":
    raise ImportError("import inflor.converter, not converter: this folder is a part of the package inflor")
