"""Every file that comes in: limits and guards before a library sees it."""
