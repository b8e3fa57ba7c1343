"""Geometric queries against triangles: BVH, nearest points, rays, winding numbers.

Modules named `*_kernels` hold device code: NVIDIA Warp kernels for the CPU and for CUDA. Modules
named `*_functions` hold device functions that kernels of several modules call. The module without
the suffix is the Python interface: `nearest` launches `nearest_kernels`.

**Compilation.** Warp compiles each module to machine code when it is first used, which takes
seconds, and caches the result on disk by a hash of the source. No kernel here is differentiated, so
each module turns off `enable_backward`: adjoint code takes longer to compile than the kernel
itself.

**Lint lists.** Warp reads the annotations itself, and its language differs from Python: a number
that changes in a loop must start as `float(0.0)`, a struct is a class without methods. So each
kernel file turns off the type checker and some rules of the linter at its head. Comments in kernels
take the place of docstrings.

**Two kernels for one query.** On CUDA a thread handles one point or ray, and Warp's own BVH serves
nearest points and rays. On the CPU one thread handles `LANES` neighbouring points, or tests a ray
against eight boxes at a time, in short loops of fixed length without branches. The compiler turns
those loops into vector instructions: 2x to 3x as fast for rays, and several times for points. Those
modules set `max_unroll` to 0, so that Warp keeps the loops. The object that owns the triangles
chooses its kernels once, when it is built for a device.
"""
