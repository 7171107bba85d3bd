"""Distinct viewers: HyperLogLog registers kept as rollup rows, the same registers Apache DataSketches would have.

A viewer's 64-bit digest goes through MurmurHash3 with DataSketches' seed; the low 12 bits name one of 4,096 registers,
the leading zeros of the second half are its value. Registers merge by maximum, so any order of merging gives the same
bits, and `image` is a sketch that every DataSketches library reads. The estimate is Ertl's improved one
(arXiv:1702.01284, algorithm 6): no bias tables, right from 0 to billions; computed for many sketches at once.
"""

import functools
import math
import struct

import numpy as np

from services.metrics.domain import F64, I64, U32, U64

LG_REGISTERS = 12
REGISTERS = 1 << LG_REGISTERS
# 95 % of estimates lie within 1.96 relative standard errors of 1.04 / sqrt(m).
ERROR_BOUND = 1.96 * 1.04 / math.sqrt(REGISTERS)
SEED = 9001  # DataSketches' default
C1, C2 = 0x87C37B91114253D5, 0x4CF5AD432745937F
VALUE_MAX = 63
FLOAT_FRACTION_BITS, FLOAT_EXPONENT_0 = 52, 1023
# So few viewers hardly ever meet in a register: the estimate is their number.
EXACT_BELOW = 30
# DataSketches sums the powers of small and of large register values apart.
SPLIT_VALUE = 32
SIGMA_STEPS = 24  # squarings after which x^(2^k) is 0 for every x below 1 - 1/m we use
_ALPHA = 1 / (2 * math.log(2))
_POWERS = np.ldexp(1.0, -np.arange(VALUE_MAX + 1))


def touched(viewers: U64) -> tuple[U64, I64]:
    """For each viewer the register it touches and the value it brings."""
    first, second = _murmur3(viewers)
    return first & np.uint64(REGISTERS - 1), _leading_zeros(second) + 1


def _rotl(x: U64, bits: int) -> U64:
    return (x << np.uint64(bits)) | (x >> np.uint64(64 - bits))


def _fmix(x: U64) -> U64:
    x = (x ^ (x >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    x = (x ^ (x >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return x ^ (x >> np.uint64(33))


def _murmur3(values: U64) -> tuple[U64, U64]:
    """MurmurHash3 x64-128 of each value's 8 bytes."""
    k1 = _rotl(values * np.uint64(C1), 31) * np.uint64(C2)
    h1 = (np.uint64(SEED) ^ k1) ^ np.uint64(8)
    h2 = np.full(len(values), np.uint64(SEED) ^ np.uint64(8), np.uint64)
    h1 = h1 + h2
    h2 = h2 + h1
    h1, h2 = _fmix(h1), _fmix(h2)
    h1 = h1 + h2
    return h1, h2 + h1


def _leading_zeros(values: U64) -> I64:
    """Of 64-bit numbers, at most 62 as DataSketches has it."""
    # Without the bit after each set one the conversion cannot round up to the next power of two, and the highest bit's
    # place is the float's exponent.
    exponent: I64 = (values & ~(values >> np.uint64(1))).astype(np.float64).view(np.int64) >> FLOAT_FRACTION_BITS
    zeros: I64 = np.minimum(FLOAT_EXPONENT_0 + 63 - exponent, 62)
    return zeros


def estimates(end: I64, value: I64 | U32, registers: int = REGISTERS) -> F64:
    """Distinct viewers of groups whose touched registers' values lie one group's after another's, up to each `end`.

    With values below the highest a register can hold, Ertl's algorithm is alpha m^2 over the sum of 2^-value of the
    touched registers and of m sigma(untouched / m); sigma is looked up.
    """
    held = np.diff(end, prepend=0)
    powers = np.zeros(len(end))
    if len(value):
        powers[held > 0] = np.add.reduceat(_POWERS[value], (end - held)[held > 0])
    with np.errstate(divide="ignore"):
        found: F64 = _ALPHA * registers * registers / (_untouched(registers)[registers - held] + powers)
    return found


@functools.cache
def _untouched(registers: int) -> F64:
    """M sigma(c / m) for each number c of untouched registers; none touched: infinite, so that the estimate is 0."""
    found = registers * _sigma(np.arange(registers + 1) / registers)
    found[registers] = np.inf
    return found


def _sigma(x: F64) -> F64:
    y, z, power = np.ones_like(x), x.copy(), x.copy()
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for _ in range(SIGMA_STEPS):
            power = power * power
            z = z + power * y
            y = y + y
    return z


def estimate(slots: U64, values: I64) -> float:
    """Distinct viewers of one sketch; a register may be given more than once."""
    top = np.zeros(REGISTERS, np.int64)
    np.maximum.at(top, slots.astype(np.int64), values)
    held = top[top > 0]
    return float(estimates(np.array([len(held)]), held)[0])


def interval(count: float) -> tuple[int, int]:
    """The 95 % interval of an estimate; exact while small, where registers hardly collide."""
    spread = ERROR_BOUND if count >= EXACT_BELOW else 0.0
    return math.floor(count * (1 - spread)), math.ceil(count * (1 + spread))


def image(slots: U64, values: I64) -> bytes:
    """The sketch in DataSketches' own serialised form (HLL_8, updatable order lost)."""
    top = np.zeros(REGISTERS, np.uint8)
    np.maximum.at(top, slots.astype(np.int64), values.astype(np.uint8))
    powers = np.ldexp(1.0, -top.astype(np.int32))
    small = top < SPLIT_VALUE
    header = struct.pack(
        "<BBBBBBBBdddii",
        10, 1, 7, LG_REGISTERS, 0, 16, 0, 10,  # preamble ints, version, family HLL, lgK, -, out of order, 0, HLL_8
        0.0, float(powers[small].sum()), float(powers[~small].sum()), int((top == 0).sum()), 0,
    )  # fmt: skip
    return header + top.tobytes()
