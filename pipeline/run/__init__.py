"""Preprocessing runs: jobs become tasks, tasks run in processes, results become a dataset."""
