"""Stand-ins for other packages, for programs that were written for them."""
