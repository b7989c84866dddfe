"""Choosing the integers: calibration, scales, rounding, bias."""
