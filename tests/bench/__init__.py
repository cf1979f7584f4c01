"""Measurements for `psyllm bench`. Ratios are what they are for; absolute times depend on the machine."""
