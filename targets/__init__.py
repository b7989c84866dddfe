"""Stage 3: integer networks to chips, simulators and the emulator."""

if __name__ != "inflor.targets":
    raise ImportError("import inflor.targets, not targets: this folder is a part of the package inflor")
