"""Travel times through a cost map, exact and differentiable.

    from tasks.route.eikonal import Options, distances, field, solve, trace

    found = distances(cost, src, tgt, Options(h=4.0, stencil=8)) # cost B H W, src B S 2, tgt B K 2
    found.at                  # B K times, in pixels of cost 1; differentiable; inf: unreached
    found.solved.T, .visited  # the fields (inf where the march did not need to go), share of cells
    field(cost, src, Options()).T                      # the whole field B H W, differentiable
    solve(cost, src, Options(), until=tgt, mask=free)  # no gradient; walls where mask is False
    trace(T, cost, (y, x), h)  # Path of one target: points in cells, cost, pixels (numpy, one map)

Points are (y, x) cells from the top left; one with a negative coordinate is no point. All S sources
of a map count together: T is the time to the nearest. cpu.py is the solver, adjoint.py its
gradient, autograd.py both as torch functions; torch_ref.py the same without numba; gpu.py is for
large maps on a GPU.
"""

from tasks.route.eikonal.autograd import (
    Distances,
    EikonalDistance,
    EikonalField,
    Options,
    Solved,
    distances,
    field,
    solve,
)
from tasks.route.eikonal.path import Path, length_m, road_share, to_pixels, trace

__all__ = [
    "Distances",
    "EikonalDistance",
    "EikonalField",
    "Options",
    "Path",
    "Solved",
    "distances",
    "field",
    "length_m",
    "road_share",
    "solve",
    "to_pixels",
    "trace",
]
