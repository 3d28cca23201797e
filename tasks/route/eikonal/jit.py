"""Numba as an option: `compiled` when it is there, plain Python when it is not.

Machine code is kept in the `__pycache__` beside each source file (which git ignores); where that
cannot be written numba takes the user's cache folder, and where neither can, nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

try:
    import numba
    from llvmlite import ir  # type: ignore[import-untyped]
    from numba.core import cgutils, types
    from numba.extending import intrinsic
except ImportError:  # the slow twin in torch_ref.py is used instead, and says so
    numba = None

HAVE_NUMBA = numba is not None


def compiled(function: Callable[..., Any]) -> Any:
    """`function` compiled at its first call for the types it is given; it lets go of the GIL."""
    return _jit(function)


def inlined(function: Callable[..., Any]) -> Any:
    """As `compiled`, and put in place of each call: array arguments then cost nothing."""
    return _jit(function, forceinline=True)


def _jit(function: Callable[..., Any], **options: bool) -> Any:
    if not HAVE_NUMBA:
        return function
    options |= {"nogil": True}
    try:
        return numba.njit(cache=True, error_model="numpy", **options)(function)
    except RuntimeError:  # no folder for the machine code: compiled anew in each process
        return numba.njit(error_model="numpy", **options)(function)


def _prefetch(array: Any, index: int) -> None:
    """Ask for the cache line of array[index] before it is needed; any index is harmless."""


if HAVE_NUMBA:

    @intrinsic  # type: ignore[untyped-decorator]
    def prefetch(context: Any, array: Any, index: Any) -> Any:
        """The processor's prefetch of array[index] for reading, into every cache level."""

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            data = context.make_array(signature.args[0])(context, builder, args[0]).data
            byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
            at = builder.bitcast(builder.gep(data, [args[1]]), byte)
            kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
            call = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
            builder.call(call, [at, word(0), word(3), word(1)])  # read, keep, data
            return context.get_dummy_value()

        return types.void(array, index), emit

else:
    prefetch = _prefetch
