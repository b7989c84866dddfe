"""Whether targets fire the same spikes, and where they first differ."""
