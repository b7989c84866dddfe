"""Training: architectures, layers, neurons, the loop, checkpoints, export."""
