"""Running integer populations with torch, exactly."""
