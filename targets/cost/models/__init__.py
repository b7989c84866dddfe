"""One module per family of hardware: counts times published figures, each an `Estimate`."""
