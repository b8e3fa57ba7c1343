"""Device code of `shapegan.pipeline.contouring.quadrics`.

`shapegan.pipeline.queries` explains how kernel files are written.
"""

# mypy: ignore-errors
# ruff: noqa: D101, D103

import warp as wp

from shapegan.pipeline.warp_runtime import start_warp

wp.set_module_options({"enable_backward": False})

start_warp()

CUTOFF = wp.constant(wp.float64(0.05))
"""Directions in which the planes determine the point less well than this share of the best one, in
squares, are left as they are."""
SWEEPS = wp.constant(12)
"""Most sweeps of Jacobi's method, which needs about four for a 3 x 3 matrix."""
NEGLIGIBLE = wp.constant(wp.float64(1e-30))
"""A matrix is diagonal if the squares beside its diagonal are this small, of its squared trace."""
SMALLEST = wp.constant(wp.float64(2.3e-308))


@wp.struct
class QuadricArrays:
    # L quadrics: the fields of `Quadrics`.
    mean: wp.array(dtype=wp.vec3d)
    matrix: wp.array(dtype=wp.mat33d)
    vector: wp.array(dtype=wp.vec3d)
    constant: wp.array(dtype=wp.float64)


@wp.struct
class Eigen:
    # Row k of `matrix` and column k of `directions` are 0 elsewhere than at the k-th eigenvalue.
    matrix: wp.mat33d
    directions: wp.mat33d


@wp.func
def rotated(eigen: Eigen, p: int, q: int) -> Eigen:
    # One rotation of Jacobi's method (Golub and Van Loan, section 8.5), which clears item (p, q).
    one = wp.float64(1.0)
    beside = eigen.matrix[p, q]
    if beside == wp.float64(0.0):
        return eigen
    ratio = (eigen.matrix[q, q] - eigen.matrix[p, p]) / (wp.float64(2.0) * beside)
    tangent = one / (wp.abs(ratio) + wp.sqrt(ratio * ratio + one))
    if ratio < wp.float64(0.0):
        tangent = -tangent
    cosine = one / wp.sqrt(tangent * tangent + one)
    turn = wp.identity(n=3, dtype=wp.float64)
    turn[p, p] = cosine
    turn[q, q] = cosine
    turn[p, q] = cosine * tangent
    turn[q, p] = -cosine * tangent
    result = Eigen()
    result.matrix = wp.transpose(turn) * eigen.matrix * turn
    result.directions = eigen.directions * turn
    return result


@wp.func
def eigendecomposition(matrix: wp.mat33d) -> Eigen:
    result = Eigen()
    result.matrix = matrix
    result.directions = wp.identity(n=3, dtype=wp.float64)
    trace = matrix[0, 0] + matrix[1, 1] + matrix[2, 2]
    for _ in range(SWEEPS):
        a, b, c = result.matrix[0, 1], result.matrix[0, 2], result.matrix[1, 2]
        if a * a + b * b + c * c <= NEGLIGIBLE * trace * trace:
            break
        result = rotated(result, 0, 1)
        result = rotated(result, 0, 2)
        result = rotated(result, 1, 2)
    return result


@wp.func
def least_error(matrix: wp.mat33d, vector: wp.vec3d) -> wp.vec3d:
    # Where the quadric is least, as near to 0 as can be.
    eigen = eigendecomposition(matrix)
    values = wp.get_diag(eigen.matrix)
    limit = wp.max(CUTOFF * wp.max(values), SMALLEST)
    result = wp.vec3d()
    for k in range(3):
        if values[k] > limit:
            direction = wp.vec3d(
                eigen.directions[0, k], eigen.directions[1, k], eigen.directions[2, k]
            )
            result += direction * (wp.dot(direction, vector) / values[k])
    return result


@wp.kernel
def sum_planes(
    points: wp.array(dtype=wp.vec3d),
    normals: wp.array(dtype=wp.vec3d),
    anchors: wp.array(dtype=wp.vec3d),
    plane: wp.array2d(dtype=int),
    owner: wp.array2d(dtype=int),
    row: wp.array(dtype=int),
    quadrics: QuadricArrays,
    minima: wp.array(dtype=wp.vec3d),
):
    k = wp.tid()
    at = row[k]
    mean = wp.vec3d()
    count = wp.float64(0.0)
    for column in range(plane.shape[1]):
        if owner[at, column] == k:
            mean += anchors[plane[at, column]]
            count += wp.float64(1.0)
    mean /= count
    matrix = wp.mat33d()
    vector = wp.vec3d()
    constant = wp.float64(0.0)
    for column in range(plane.shape[1]):
        if owner[at, column] == k:
            one = plane[at, column]
            normal = normals[one]
            offset = wp.dot(normal, points[one] - mean)
            matrix += wp.outer(normal, normal)
            vector += normal * offset
            constant += offset * offset
    quadrics.mean[k] = mean
    quadrics.matrix[k] = matrix
    quadrics.vector[k] = vector
    quadrics.constant[k] = constant
    minima[k] = mean + least_error(matrix, vector)


@wp.func
def error_at(quadrics: QuadricArrays, k: int, point: wp.vec3d) -> wp.float64:
    way = point - quadrics.mean[k]
    linear = wp.dot(quadrics.vector[k], way)
    return wp.dot(way, quadrics.matrix[k] * way) - wp.float64(2.0) * linear + quadrics.constant[k]


@wp.func
def error_of_diagonal(
    quadrics: QuadricArrays, vertices: wp.array(dtype=wp.vec3d), one: int, other: int
) -> wp.float64:
    middle = (vertices[one] + vertices[other]) * wp.float64(0.5)
    return error_at(quadrics, one, middle) + error_at(quadrics, other, middle)


@wp.kernel
def choose_diagonals(
    quads: wp.array2d(dtype=int),
    vertices: wp.array(dtype=wp.vec3d),
    quadrics: QuadricArrays,
    second: wp.array(dtype=wp.bool),
):
    k = wp.tid()
    first = error_of_diagonal(quadrics, vertices, quads[k, 0], quads[k, 2])
    second[k] = error_of_diagonal(quadrics, vertices, quads[k, 1], quads[k, 3]) < first
