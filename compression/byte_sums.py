"""Sums of 8 x 8 bytes by the processor's own instruction (`psadbw`), as an intrinsic that numba kernels call.

For kernels that read much and compute little: their speed depends on the number of instructions per cache line. Knows
bytes and words; not what they show.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LINE_WORDS = 8
"""Words of eight bytes that are summed side by side: those of one cache line."""

_SAD = {"avx512bw": ("llvm.x86.avx512.psad.bw.512", 8), "avx2": ("llvm.x86.avx2.psad.bw", 4)}
"""Instructions that sum the differences of the bytes of every word: CPU feature -> name, width in words."""

_LONG = ir.IntType(64)


def make_byte_sum(images: int = 1, is_portable: bool = False) -> Callable[..., None]:
    """Make an intrinsic add(words, …, row, column, out, y): out[y, column + i] = sum of 8 rows of word i, i < 8.

    In the intrinsic, `words` (h, w) uint64 is a plane of bytes; rows begin at `row`, words at `column`; both, and y,
    are uint64; `out` is uint16. No bounds are checked.

    Args:
        images: planes that the intrinsic takes, 1 or 2; of two planes it sums the absolute differences of their bytes.
        is_portable: use general instructions even where the processor has one for this.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        arrays = [
            context.make_array(kind)(context, builder, value) if isinstance(kind, types.Array) else None
            for kind, value in zip(signature.args, arguments, strict=True)
        ]
        row, column, y = arguments[images], arguments[images + 1], arguments[images + 3]
        features = context.codegen().magic_tuple()[2].split(",")
        known = [_SAD[name] for name in _SAD if f"+{name}" in features and not is_portable]
        width = known[0][1] if known else LINE_WORDS

        def pointer(index: int, place: list[Any], element: Any) -> Any:
            kind = signature.args[index]
            at = cgutils.get_item_pointer(  # type: ignore[no-untyped-call]
                context, builder, kind, arrays[index], place, wraparound=False
            )
            return builder.bitcast(at, ir.VectorType(element, width).as_pointer())

        for part in range(0, LINE_WORDS, width):
            here = builder.add(column, _LONG(part))
            rows = [
                [
                    builder.load(pointer(image, [builder.add(row, _LONG(step)), here], _LONG), align=1)
                    for step in range(8)
                ]
                for image in range(images)
            ]
            sums = _by_instruction(builder, rows, *known[0]) if known else _by_lanes(builder, rows, width)
            short = ir.IntType(16)
            total = builder.trunc(sums, ir.VectorType(short, width))
            builder.store(total, pointer(images + 2, [y, here], short), align=1)
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


def _by_instruction(builder: Any, rows: list[list[Any]], name: str, words: int) -> Any:
    """Sums over all rows of the bytes of every word, or of their differences from those of a second image."""
    wide, byte = ir.VectorType(_LONG, words), ir.VectorType(ir.IntType(8), 8 * words)
    kind = ir.FunctionType(wide, [byte, byte])
    sad = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
    sums = []
    for step, row in enumerate(rows[0]):
        other = builder.bitcast(rows[1][step], byte) if len(rows) > 1 else ir.Constant(byte, None)
        sums.append(builder.call(sad, [builder.bitcast(row, byte), other]))
    return _total(builder, sums)


def _by_lanes(builder: Any, rows: list[list[Any]], words: int) -> Any:
    """The same on any processor, in four 16-bit lanes per word: sixteen bytes never carry into the next lane."""
    wide, byte = ir.VectorType(_LONG, words), ir.VectorType(ir.IntType(8), 8 * words)

    def folded(value: Any, bits: int, mask: int) -> Any:
        masks, shift = ir.Constant(wide, [mask] * words), ir.Constant(wide, [bits] * words)
        return builder.add(builder.and_(value, masks), builder.and_(builder.lshr(value, shift), masks))

    def difference(one: Any, other: Any) -> Any:
        one, other = builder.bitcast(one, byte), builder.bitcast(other, byte)
        is_more = builder.icmp_unsigned(">", one, other)
        return builder.bitcast(builder.select(is_more, builder.sub(one, other), builder.sub(other, one)), wide)

    values = [difference(*pair) for pair in zip(*rows, strict=True)] if len(rows) > 1 else rows[0]
    lanes = _total(builder, [folded(value, 8, 0x00FF00FF00FF00FF) for value in values])
    return folded(folded(lanes, 16, 0x0000FFFF0000FFFF), 32, 0xFFFFFFFF)


def _total(builder: Any, values: list[Any]) -> Any:
    total = values[0]
    for value in values[1:]:
        total = builder.add(total, value)
    return total
