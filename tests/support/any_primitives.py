"""Hypothesis strategies for analytic primitives."""

import numpy as np
from hypothesis import strategies as st

from shapegan.pipeline.samples.parts import rotation
from shapegan.pipeline.samples.primitives import Pose, Prism, Rod, Turned

angles = st.floats(-180, 180)
shares = st.floats(0.05, 1)


@st.composite
def poses(draw):
    origin = draw(st.tuples(*[st.floats(-1, 1)] * 3))
    return Pose(rotation(draw(angles), draw(angles), draw(angles)), np.array(origin))


@st.composite
def ovals(draw, width, height):
    """Convex polygons on an ellipse, none of their sides tiny."""
    count = draw(st.integers(3, 7))
    gaps = np.array(draw(st.tuples(*[st.floats(0.5, 1)] * count)))
    at = 2 * np.pi * np.cumsum(gaps) / gaps.sum()
    return np.stack([width * np.cos(at), height * np.sin(at)], axis=1)


@st.composite
def prisms(draw):
    outline = draw(ovals(draw(shares), draw(shares)))
    return Prism(
        draw(poses()),
        outline[:: draw(st.sampled_from([1, -1]))],
        draw(shares),
        draw(st.sampled_from([0.0, 0.05, 0.2])),
    )


@st.composite
def lathes(draw):
    """Profiles that are closed by the axis, and not convex."""
    count = draw(st.integers(2, 5))
    radii = draw(st.tuples(*[shares] * count))
    heights = np.cumsum(draw(st.tuples(*[st.floats(0.1, 0.6)] * count)))
    profile = np.stack([[0, *radii, 0], [heights[0], *heights, heights[-1]]], axis=1)
    return Turned(draw(poses()), profile - [0, 0.6])


@st.composite
def rings(draw):
    profile = np.add(draw(ovals(0.4, draw(shares))), [draw(st.floats(0.45, 1)), 0])
    return Turned(draw(poses()), profile)


@st.composite
def arcs(draw):
    profile = np.add(draw(ovals(0.3, draw(shares))), [draw(st.floats(0.4, 1)), 0])
    return Turned(draw(poses()), profile, np.radians(draw(st.floats(20, 350))))


@st.composite
def rods(draw):
    start, end = draw(st.tuples(shares, shares))
    return Rod(draw(poses()), abs(start - end) / 0.95 + draw(shares), start, end)


@st.composite
def sheets(draw):
    """Flat ones, shades, and pieces of shades."""
    flat = Prism(draw(poses()), draw(ovals(draw(shares), draw(shares))), 0.0)
    profile = np.array([[draw(shares), 0.0], [draw(shares), draw(shares)]])
    angle = draw(st.sampled_from([2 * np.pi, 2.0]))
    return draw(st.sampled_from([flat, Turned(draw(poses()), profile, angle)]))


solids = st.one_of(prisms(), lathes(), rings(), arcs(), rods())
