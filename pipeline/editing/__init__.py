"""Changes to whole datasets: other splits, several merged into one, a part of one."""
