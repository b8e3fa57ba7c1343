"""Analytic fields in place of a generator."""

from types import SimpleNamespace

import torch


class AnalyticField:
    """An analytic field in place of a generator; counts its calls and evaluated points."""

    def __init__(self, distance, frame="cube", config=None):
        self.config = config or SimpleNamespace(frame=frame)
        self.distance, self.evaluated, self.largest_call = distance, 0, 0

    def __call__(self, points, latents):
        assert latents.shape[0] == 1
        self.evaluated += len(points)
        self.largest_call = max(self.largest_call, len(points))
        return self.distance(points)[None]


def ball(middle, radius):
    return lambda points: (points - torch.tensor(middle)).norm(dim=1) - radius


def rod(start, end, radius):
    start, end = torch.tensor(start), torch.tensor(end)

    def distance(points):
        along = end - start
        part = ((points - start) @ along / (along @ along)).clamp(0, 1)
        return (points - start - part[:, None] * along).norm(dim=1) - radius

    return distance


def union(*parts):
    return lambda points: torch.stack([part(points) for part in parts]).amin(dim=0)


def clipped(distance, at, slope=1.0):
    return lambda points: (slope * distance(points)).clamp(-at, at)
