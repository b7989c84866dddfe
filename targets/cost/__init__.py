"""What a run costs: counts times published figures."""
