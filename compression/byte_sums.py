"""Sums of 8 x 8 bytes by the processor's own instruction (`psadbw`, `uaddlp`), as an intrinsic that kernels call.

For kernels that read much and compute little. Rows are read one after the other, whole: a processor fetches ahead along
a row, and follows few rows at the same time. Knows bytes and words; not what they show.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

_ROWS = 8
"""Rows that are added up."""

_SAD = {
    "avx512bw": ("llvm.x86.avx512.psad.bw.512", 8),
    "avx2": ("llvm.x86.avx2.psad.bw", 4),
    "sse2": ("llvm.x86.sse2.psad.bw", 2),
}
"""Instructions that sum the differences of the bytes of every word: CPU feature -> name, width in words."""

_LONG, _SHORT, _BYTE = ir.IntType(64), ir.IntType(16), ir.IntType(8)

Row = Callable[[Any, list[Any]], Any]
"""Emits the sums of one row: of the words of one image, or of the differences from those of a second one."""


def make_byte_sum(images: int = 1, words: int = 8, instruction: str | None = None) -> Callable[..., None]:
    """Make an intrinsic add(words, …, row, column, out, y): out[y, column + i] = sum of 8 rows of word i, i < `words`.

    In the intrinsic, `words` (h, w) uint64 is a plane of bytes; rows begin at `row`, words at `column`; both, and y,
    are uint64; `out` is uint16. No bounds are checked.

    Args:
        images: planes that the intrinsic takes, 1 or 2; of two planes it sums the absolute differences of their bytes.
        words: words of eight bytes that are summed side by side, a multiple of 4.
        instruction: one of `instructions`; the best that the processor has, if not given.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        arrays = [
            context.make_array(kind)(context, builder, value) if isinstance(kind, types.Array) else None
            for kind, value in zip(signature.args, arguments, strict=True)
        ]
        row, column, y = arguments[images], arguments[images + 1], arguments[images + 3]
        width, of_row, of_rows = _entry(instruction or instructions(context, words)[0])
        wide = ir.VectorType(_LONG, width)

        def pointer(index: int, place: list[Any]) -> Any:
            kind = signature.args[index]
            at = cgutils.get_item_pointer(  # type: ignore[no-untyped-call]
                context, builder, kind, arrays[index], place, wraparound=False
            )
            return builder.bitcast(at, _BYTE.as_pointer())

        zero = ir.Constant(wide, None)
        sums = [cgutils.alloca_once(builder, wide) for _ in range(0, words, width)]  # type: ignore[no-untyped-call]
        for total in sums:
            builder.store(zero, total)
        with cgutils.for_range(builder, _LONG(_ROWS)) as loop:  # type: ignore[no-untyped-call]
            lines = [pointer(image, [builder.add(row, loop.index), column]) for image in range(images)]
            for part, total in enumerate(sums):
                values = [builder.load(_vector_at(builder, line, 8 * part * width, wide), align=1) for line in lines]
                builder.store(builder.add(builder.load(total), of_row(builder, values)), total)
        target, short = pointer(images + 2, [y, column]), ir.VectorType(_SHORT, width)
        for part, total in enumerate(sums):
            whole = builder.trunc(of_rows(builder, builder.load(total)), short)
            builder.store(whole, _vector_at(builder, target, 2 * part * width, short), align=1)
        return context.get_dummy_value()

    # Numba reads the parameters of an intrinsic from its signature: one function for each number of images.
    if images == 1:

        @intrinsic
        def add(typing: Any, words: Any, row: Any, column: Any, out: Any, y: Any) -> Any:
            return types.void(words, types.uint64, types.uint64, out, types.uint64), generate

        one: Callable[..., None] = add
        return one

    @intrinsic
    def differ(typing: Any, words: Any, others: Any, row: Any, column: Any, out: Any, y: Any) -> Any:
        return types.void(words, others, types.uint64, types.uint64, out, types.uint64), generate

    two: Callable[..., None] = differ
    return two


def instructions(context: Any, words: int = 8) -> list[str]:
    """What can sum so many words on the processor of a numba target, the best first; the last is "any"."""
    triple, _, features = context.codegen().magic_tuple()
    present = features.split(",")
    if triple.startswith(("aarch64", "arm64")):
        return ["neon", "any"]
    return [*(name for name, (_, width) in _SAD.items() if f"+{name}" in present and words % width == 0), "any"]


def _entry(instruction: str) -> tuple[int, Row, Callable[[Any, Any], Any]]:
    """Width in words; what emits the sums of a row; what emits those of all rows from the total of their sums."""
    if instruction in _SAD:
        name, width = _SAD[instruction]
        return width, lambda builder, values: _sad(builder, values, name), lambda _, total: total
    return (2, _neon, _add_lanes) if instruction == "neon" else (4, _lanes, _add_lanes)


def _sad(builder: Any, values: list[Any], name: str) -> Any:
    wide, byte = values[0].type, ir.VectorType(_BYTE, 8 * values[0].type.count)
    sad = _function(builder, name, wide, [byte, byte])
    other = builder.bitcast(values[1], byte) if len(values) > 1 else ir.Constant(byte, None)
    return builder.call(sad, [builder.bitcast(values[0], byte), other])


def _neon(builder: Any, values: list[Any]) -> Any:
    """Sums of pairs of bytes, in four 16-bit lanes per word."""
    byte, short = ir.VectorType(_BYTE, 16), ir.VectorType(_SHORT, 8)
    seen = [builder.bitcast(value, byte) for value in values]
    if len(seen) > 1:
        seen = [builder.call(_function(builder, "llvm.aarch64.neon.uabd.v16i8", byte, [byte, byte]), seen)]
    pairs = builder.call(_function(builder, "llvm.aarch64.neon.uaddlp.v8i16.v16i8", short, [byte]), seen)
    return builder.bitcast(pairs, values[0].type)


def _lanes(builder: Any, values: list[Any]) -> Any:
    """The same on any processor."""
    wide, byte = values[0].type, ir.VectorType(_BYTE, 8 * values[0].type.count)
    value = values[0]
    if len(values) > 1:
        one, other = (builder.bitcast(each, byte) for each in values)
        is_more = builder.icmp_unsigned(">", one, other)
        value = builder.bitcast(builder.select(is_more, builder.sub(one, other), builder.sub(other, one)), wide)
    return _folded(builder, value, 8, 0x00FF00FF00FF00FF)


def _add_lanes(builder: Any, total: Any) -> Any:
    """Sums of the four 16-bit lanes of words: sixteen bytes never carry into the next lane."""
    return _folded(builder, _folded(builder, total, 16, 0x0000FFFF0000FFFF), 32, 0xFFFFFFFF)


def _folded(builder: Any, value: Any, bits: int, mask: int) -> Any:
    """Every second lane of `bits` added to the one below."""
    masks, shift = (ir.Constant(value.type, [number] * value.type.count) for number in (mask, bits))
    return builder.add(builder.and_(value, masks), builder.and_(builder.lshr(value, shift), masks))


def _function(builder: Any, name: str, result: Any, parameters: list[Any]) -> Any:
    kind = ir.FunctionType(result, parameters)
    return cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]


def _vector_at(builder: Any, line: Any, offset: int, kind: Any) -> Any:
    """Pointer to a vector that is `offset` bytes behind another pointer."""
    return builder.bitcast(builder.gep(line, [_LONG(offset)]), kind.as_pointer())
