"""What every population becomes on the chip, when it works, and what connects it."""
