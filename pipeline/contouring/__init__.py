"""Level sets of distance fields as closed 2-manifold triangle meshes.

`lattice` evaluates a field near its zero set only, `cells` finds the lattice cells that the zero
set passes through, `crossings` the points where it meets their edges. `marching_cubes` and
`dual_contouring` turn these into triangles.

Both methods are manifold by construction, for any signs at the lattice points:

- On each face of a cell, segments connect the crossed edges. If four edges are crossed, the
  asymptotic decider (Nielson and Hamann 1991) picks one of two ways, from the values at the face's
  corners alone, so both cells of the face agree. Within a cell the segments form loops
  (`cell_loops`). Each crossed edge is in one loop of each of its four cells, so the loops of all
  cells are the faces of a closed polygonal surface in which each edge has two faces and the faces
  around each vertex form one cycle.
- Marching cubes (Lorensen and Cline 1987) cut each loop into triangles. A diagonal in a face of the
  cell could be an edge of the cell beyond, too, and get four faces. So only diagonals through the
  inside of a cell are taken, and a point in the middle if there are too few.
- Dual contouring (Ju et al. 2002) takes the dual of that surface: a vertex for each loop and a
  quadrilateral for each crossed edge, as in the dual marching cubes of Nielson (2004). Two loops
  that meet in both segments of a face would share a doubled edge; a vertex in the middle of each
  segment keeps the two edges apart.
"""
