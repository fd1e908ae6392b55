# SPDX-License-Identifier: Apache-2.0
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
"""A strided convolution as one writes it in Triton. Imported where Triton is there only.

    results[i][r][c] = sum over a, b of images[i][S r - a][S c - b] * filters[i][a][b]

A program computes a tile of one image's outputs. Not measured yet: no device was at hand.
"""
import triton
import triton.language as tl

TILES = [(rows, columns, warps) for rows, columns in ((1, 128), (1, 256), (4, 64), (8, 32), (8, 64))
         for warps in (2, 4)]


@triton.jit
def add_tap(total, images, filters, rows, columns, a, b, height, width, SIZE: tl.constexpr):
    row, column = rows - a, columns - b
    is_inside = ((row >= 0) & (row < height))[:, None] & ((column >= 0) & (column < width))[None, :]
    pixels = tl.load(images + row[:, None] * width + column[None, :], mask=is_inside, other=0.0)
    return total + tl.load(filters + a * SIZE + b) * pixels


@triton.jit
def convolve(images, filters, results, height, width, out_height, out_width, stride,
             SIZE: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    program = tl.program_id(0)
    row_tiles, column_tiles = tl.cdiv(out_height, ROWS), tl.cdiv(out_width, COLUMNS)
    image = (program // (row_tiles * column_tiles)).to(tl.int64)  # all pixels may pass 2^31
    out_rows = program // column_tiles % row_tiles * ROWS + tl.arange(0, ROWS)
    out_columns = program % column_tiles * COLUMNS + tl.arange(0, COLUMNS)
    images += image * height * width
    filters += image * SIZE * SIZE
    results += image * out_height * out_width
    total = tl.zeros((ROWS, COLUMNS), images.dtype.element_ty)
    if SIZE <= 8:
        for a in tl.static_range(SIZE):
            for b in tl.static_range(SIZE):
                total = add_tap(total, images, filters, out_rows * stride, out_columns * stride, a,
                                b, height, width, SIZE)
    else:  # unrolled, it would be compiled for minutes
        for a in range(SIZE):
            for b in range(SIZE):
                total = add_tap(total, images, filters, out_rows * stride, out_columns * stride, a,
                                b, height, width, SIZE)
    is_output = (out_rows < out_height)[:, None] & (out_columns < out_width)[None, :]
    tl.store(results + out_rows[:, None] * out_width + out_columns[None, :], total, mask=is_output)


def tuned_convolve():
    """Needs a device, on which the tiles are tried when it first meets a size of images. Of one
    shape and type of data, since nothing else is told apart."""
    configurations = [triton.Config({"ROWS": rows, "COLUMNS": columns}, num_warps=warps)
                      for rows, columns, warps in TILES]
    return triton.autotune(configurations, key=["height", "width", "stride"])(convolve)
