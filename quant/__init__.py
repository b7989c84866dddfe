"""Stage 2: NIR graphs to integer networks, exactly defined."""

if __name__ != "inflor.quant":
    raise ImportError("import inflor.quant, not quant: this folder is a part of the package inflor")
