"""Published figures of chips, as data: what fits (limits)."""
