"""The shell: which faces lie outside, how they are oriented, holes, intersections, thickness."""
