"""Signed distances of a shell: distance, sign, caps, sampling, quality, scans."""
