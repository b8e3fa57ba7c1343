"""Runs: jobs, processes, Dask, progress and reports."""
