"""Geometric queries against triangles: BVH, nearest point, rays, winding numbers.

The modules named `*_kernels` hold device code: Warp kernels for the CPU and for CUDA. Warp compiles
them to machine code at their first use and keeps the result on disk. It reads the annotations
itself, and its language differs from Python (a number that changes in a loop has to start as
`float(0.0)`), so each of these files switches off the type checker and some rules of the linter.
"""
