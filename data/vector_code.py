"""Vector instructions in numba kernels: what intrinsics are written with.

Numba's own loops over small arrays check at run time whether these overlap; vectors are loaded before they are stored.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LONG, INT, SHORT, BYTE = (ir.IntType(bits) for bits in (64, 32, 16, 8))


def vector_intrinsic(define: Callable[..., Any]) -> Callable[..., None]:
    """Decorator: numba's `intrinsic`, with the type that its callers see: without the first argument."""
    return cast(Callable[..., None], intrinsic(define))


def item_pointer(context: Any, builder: Any, kind: Any, value: Any, place: Sequence[Any]) -> Any:
    """Pointer to bytes: to the item of a numba array at uint64 indices, which are not checked."""
    array = context.make_array(kind)(context, builder, value)
    at = cgutils.get_item_pointer(context, builder, kind, array, list(place), wraparound=False)
    return builder.bitcast(at, BYTE.as_pointer())


def load(builder: Any, line: Any, offset: int, kind: Any) -> Any:
    """The vector that is `offset` bytes behind a pointer to bytes."""
    return builder.load(_at(builder, line, offset, kind), align=1)


def store(builder: Any, value: Any, line: Any, offset: int) -> None:
    """Write a vector `offset` bytes behind a pointer to bytes."""
    builder.store(value, _at(builder, line, offset, value.type), align=1)


def call(builder: Any, name: str, result: Any, arguments: Sequence[Any]) -> Any:
    """Call an intrinsic of LLVM."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def masked(builder: Any, value: Any, mask: int, shift: int = 0) -> Any:
    """`(word >> shift) & mask` of all words of a vector."""
    if shift:
        value = builder.lshr(value, ir.Constant(value.type, [shift] * value.type.count))
    return builder.and_(value, ir.Constant(value.type, [mask] * value.type.count))


def _at(builder: Any, line: Any, offset: int, kind: Any) -> Any:
    return builder.bitcast(builder.gep(line, [LONG(offset)]), kind.as_pointer())


@vector_intrinsic
def prefetch(typing: Any, plane: Any, row: Any, column: Any) -> Any:
    """Ask for the cache line of plane[row, column], uint64 both; nothing is checked, read or waited for."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        at = item_pointer(context, builder, signature.args[0], arguments[0], arguments[1:])
        to_read, keep, data = INT(0), INT(3), INT(1)
        call(builder, "llvm.prefetch.p0", ir.VoidType(), [at, to_read, keep, data])
        return context.get_dummy_value()

    return types.void(plane, types.uint64, types.uint64), generate
