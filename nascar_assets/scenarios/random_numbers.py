"""Counter-based random numbers for compiled code: the same on any thread count and any CPU.

Every scenario owns a stream keyed by (seed, scenario). The generator is SplitMix64 (Steele, Lea
and Flood 2014, "Fast splittable pseudorandom number generators", OOPSLA; constants of variant 13
by Stafford): word i of a stream is `mix64(key + i * GOLDEN)`. Only integer arithmetic, table
look-ups, additions and multiplications occur: no library function whose last bit could differ
between processors.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_SCENARIO = np.uint64(0xD1342543DE82EF95)
_S11, _S27, _S30, _S31, _S32 = (np.uint64(bits) for bits in (11, 27, 30, 31, 32))
_S52 = np.uint64(52)
_LOW_52 = np.uint64((1 << 52) - 1)
_LOW_32 = np.uint64((1 << 32) - 1)
_LOW_12 = np.uint64(4095)
_ONE = np.uint64(1)
_TO_UNIT = 2.0**-53
_TO_UNIT_52 = 2.0**-52
_TO_UNIT_32 = 2.0**-32

CELLS = 4096
"""Cells of the normal tables; a word of 64 bits gives five look-ups of 12 bits."""

# exp(r) = 2^n exp(f): ln 2 in two parts so that the reduction is exact for small n (Cody and
# Waite 1980), then a Taylor polynomial; the error stays below 1e-13 for |f| <= ln(2) / 2.
_LOG2_E = 1.4426950408889634
_LN2_HIGH = 0.6931471803691238
_LN2_LOW = 1.9082149292705877e-10
_TAYLOR = np.array([1.0 / math.factorial(k) for k in range(13, -1, -1)])
_POWERS = np.array([2.0**k for k in range(-64, 65)])


class Normals(NamedTuple):
    """Normal quantiles in which compiled code looks its numbers up."""

    steps: npt.NDArray[np.float32]  # [CELLS] at the cells' middles, variance 1: steps that add up
    quantiles: npt.NDArray[np.float64]  # [2 CELLS + 1] at the edges, then inside the lowest cell


def _tables() -> Normals:
    inverse = NormalDist().inv_cdf
    # Rounded to 1e-9, so that the last bits of the platform's logarithm cannot show.
    middle = np.array([round(inverse((i + 0.5) / CELLS), 9) for i in range(CELLS)])
    middle /= round(float(np.sqrt(np.mean(middle * middle))), 9)
    edges = np.array(
        [0.0, *(round(inverse(i / CELLS), 9) for i in range(1, CELLS)), 0.0], dtype=np.float64
    )
    tail = np.array([round(inverse((i + 0.5) / CELLS / CELLS), 9) for i in range(CELLS)])
    return Normals(middle.astype(np.float32), np.concatenate([edges, tail]))


NORMALS = _tables()


@njit(cache=True, forceinline=True)
def mix64(word: np.uint64) -> np.uint64:
    """The finaliser of SplitMix64: a bijection of 64-bit words."""
    word = (word ^ (word >> _S30)) * _MIX_1
    word = (word ^ (word >> _S27)) * _MIX_2
    return word ^ (word >> _S31)


@njit(cache=True)
def open_stream(stream: npt.NDArray[np.uint64], seed: np.uint64, scenario: np.uint64) -> None:
    """Set a stream ([key, counter]) to the beginning of one scenario's sequence."""
    stream[0] = mix64(mix64(seed + GOLDEN) ^ mix64(scenario * _SCENARIO + GOLDEN))
    stream[1] = np.uint64(0)


@njit(cache=True, forceinline=True)
def next_word(stream: npt.NDArray[np.uint64]) -> np.uint64:
    """The next 64 random bits."""
    counter = stream[1] + _ONE
    stream[1] = counter
    return mix64(stream[0] + counter * GOLDEN)


@njit(cache=True, forceinline=True)
def uniform(stream: npt.NDArray[np.uint64]) -> float:
    """Uniform on [0, 1), 53 bits."""
    return np.float64(np.int64(next_word(stream) >> _S11)) * _TO_UNIT


@njit(cache=True, forceinline=True)
def normal(stream: npt.NDArray[np.uint64], quantiles: npt.NDArray[np.float64]) -> float:
    """Standard normal by table inversion: exact on 4,096 cells, linear within, tails to 5.4."""
    word = next_word(stream)
    cell = np.int64(word >> _S52)
    rest = np.float64(np.int64(word & _LOW_52)) * _TO_UNIT_52
    if cell == 0:
        return quantiles[CELLS + 1 + np.int64(rest * CELLS)]
    if cell == CELLS - 1:
        return -quantiles[CELLS + 1 + np.int64(rest * CELLS)]
    low = quantiles[cell]
    return low + rest * (quantiles[cell + 1] - low)


@njit(cache=True, forceinline=True)
def from_quantiles(stream: npt.NDArray[np.uint64], quantiles: npt.NDArray[np.float64]) -> float:
    """A draw by linear interpolation in a table of equally spaced quantiles."""
    place = uniform(stream) * (quantiles.size - 1)
    cell = np.int64(place)
    return quantiles[cell] + (place - cell) * (quantiles[cell + 1] - quantiles[cell])


@njit(cache=True, forceinline=True)
def exponential_of(x: float) -> float:
    """exp(x) for |x| <= 44 (clipped), from multiplications and additions only."""
    x = min(44.0, max(-44.0, x))
    n = np.floor(x * _LOG2_E + 0.5)
    f = (x - n * _LN2_HIGH) - n * _LN2_LOW
    total = 0.0
    for k in range(_TAYLOR.size):
        total = total * f + _TAYLOR[k]
    return total * _POWERS[np.int64(n) + 64]


@njit(cache=True, forceinline=True)
def high_unit(word: np.uint64) -> float:
    """Uniform on [0, 1) from the upper 32 bits of a word."""
    return np.float64(np.int64(word >> _S32)) * _TO_UNIT_32


@njit(cache=True, forceinline=True)
def low_unit(word: np.uint64) -> float:
    """Uniform on [0, 1) from the lower 32 bits of a word."""
    return np.float64(np.int64(word & _LOW_32)) * _TO_UNIT_32


@njit(cache=True, forceinline=True)
def step_normals(
    stream: npt.NDArray[np.uint64],
    words: npt.NDArray[np.uint64],
    table: npt.NDArray[np.float32],
    out: npt.NDArray[np.float32],
) -> None:
    """Fill `out` (5 * words.size values) with table normals, five from each random word."""
    size = words.size
    key, counter = stream[0], stream[1] + _ONE
    for w in range(size):
        words[w] = mix64(key + (counter + np.uint64(w)) * GOLDEN)
    stream[1] = stream[1] + np.uint64(size)
    for k in range(5):
        shift = np.uint64(12 * k)
        for w in range(size):
            out[k * size + w] = table[np.int64((words[w] >> shift) & _LOW_12)]
