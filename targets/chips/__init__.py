"""Published figures and limits of chips, as data."""
