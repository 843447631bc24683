"""Sums of 8 x 8 bytes by the processor's own instruction (`psadbw`, `uaddlp`), as an intrinsic that kernels call.

For kernels that read much and compute little. Rows are read one after the other, whole: a processor fetches ahead along
a row, and follows few rows at the same time. Knows bytes and words; not what they show.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from fsd.data.vector_code import BYTE, LONG, SHORT, call, item_pointer, load, masked, store, vector_intrinsic

_ROWS = 8
"""Rows that are added up."""

_SAD = {
    "avx512bw": ("llvm.x86.avx512.psad.bw.512", 8),
    "avx2": ("llvm.x86.avx2.psad.bw", 4),
    "sse2": ("llvm.x86.sse2.psad.bw", 2),
}
"""Instructions that sum the differences of the bytes of every word: CPU feature -> name, width in words."""

_Row = Callable[[Any, list[Any]], Any]
"""Emits the sums of one row: of the words of one image, or of the differences from those of a second one."""


def make_byte_sum(images: int = 1, words: int = 8, instruction: str | None = None) -> Callable[..., None]:
    """Make an intrinsic add(plane, …, y, out): out[y, i] = sum of plane[8 y : 8 y + 8, 8 i : 8 i + 8], i < `words`.

    In the intrinsic, `plane` is (H, W) uint8 with pixels side by side, `y` uint64, `out` (h, w) uint16. No bounds are
    checked.

    Args:
        images: planes that the intrinsic takes, 1 or 2; of two planes it sums the absolute differences of their bytes.
        words: words of eight bytes that are summed side by side, a multiple of 4.
        instruction: one of `instructions`; the best that the processor has, if not given.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        y = arguments[images]
        width, of_row, of_rows = _entry(instruction or instructions(context, words)[0])
        wide, short = ir.VectorType(LONG, width), ir.VectorType(SHORT, width)
        sums = [cgutils.alloca_once(builder, wide) for _ in range(0, words, width)]  # type: ignore[no-untyped-call]
        for total in sums:
            builder.store(ir.Constant(wide, None), total)
        with cgutils.for_range(builder, LONG(_ROWS)) as loop:
            place = [builder.add(builder.mul(y, LONG(_ROWS)), loop.index), LONG(0)]
            lines = [item_pointer(context, builder, signature.args[i], arguments[i], place) for i in range(images)]
            for part, total in enumerate(sums):
                values = [load(builder, line, 8 * part * width, wide) for line in lines]
                builder.store(builder.add(builder.load(total), of_row(builder, values)), total)
        out = item_pointer(context, builder, signature.args[-1], arguments[-1], [y, LONG(0)])
        for part, total in enumerate(sums):
            store(builder, builder.trunc(of_rows(builder, builder.load(total)), short), out, 2 * part * width)
        return context.get_dummy_value()

    # Numba reads the parameters of an intrinsic from its signature: one function for each number of images.
    if images == 1:

        @vector_intrinsic
        def add(typing: Any, plane: Any, y: Any, out: Any) -> Any:
            return types.void(plane, types.uint64, out), generate

        return add

    @vector_intrinsic
    def differ(typing: Any, plane: Any, other: Any, y: Any, out: Any) -> Any:
        return types.void(plane, other, types.uint64, out), generate

    return differ


def instructions(context: Any, words: int = 8) -> list[str]:
    """What can sum so many words on the processor of a numba target, the best first; the last is "any"."""
    triple, _, features = context.codegen().magic_tuple()
    if triple.startswith(("aarch64", "arm64")):  # each has NEON, as each x86-64 has SSE2
        return ["neon", "any"]
    present = [*features.split(","), "+sse2" if triple.startswith("x86_64") else ""]
    return [*(name for name, (_, width) in _SAD.items() if f"+{name}" in present and words % width == 0), "any"]


def _entry(instruction: str) -> tuple[int, _Row, Callable[[Any, Any], Any]]:
    """Width in words; what emits the sums of a row; what emits those of all rows from the total of their sums."""
    if instruction in _SAD:
        name, width = _SAD[instruction]
        return width, lambda builder, values: _sad(builder, values, name), lambda _, total: total
    return (2, _neon, _add_lanes) if instruction == "neon" else (4, _lanes, _add_lanes)


def _sad(builder: Any, values: list[Any], name: str) -> Any:
    byte = ir.VectorType(BYTE, 8 * values[0].type.count)
    other = builder.bitcast(values[1], byte) if len(values) > 1 else ir.Constant(byte, None)
    return call(builder, name, values[0].type, [builder.bitcast(values[0], byte), other])


def _neon(builder: Any, values: list[Any]) -> Any:
    """Sums of pairs of bytes, in four 16-bit lanes per word."""
    byte, short = ir.VectorType(BYTE, 16), ir.VectorType(SHORT, 8)
    seen = [builder.bitcast(value, byte) for value in values]
    if len(seen) > 1:
        seen = [call(builder, "llvm.aarch64.neon.uabd.v16i8", byte, seen)]
    return builder.bitcast(call(builder, "llvm.aarch64.neon.uaddlp.v8i16.v16i8", short, seen), values[0].type)


def _lanes(builder: Any, values: list[Any]) -> Any:
    """The same on any processor."""
    wide, byte = values[0].type, ir.VectorType(BYTE, 8 * values[0].type.count)
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
    return builder.add(masked(builder, value, mask), masked(builder, value, mask, bits))
