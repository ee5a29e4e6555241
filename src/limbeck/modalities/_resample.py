"""Samples at one rate as samples at another. Knows a filter; knows no files, features or views.

Written as a formula, and not left to a library, since a page in a browser must find the same numbers:

    y[n] = sum over k of x[k] * h(n * a / b - k)        a / b: the old rate by the new one, in lowest terms
    h(t) = c * sinc(c * t) * cos(pi * t * c / (2 * Z))^2, 0 where |t| * c >= Z        c = 0.95 * min(1, b / a), Z = 24

x is zero outside of the clip. A tone below 0.4 of the lower rate comes out as it is, and one above 0.525 not at all, to 2 thousandths of its amplitude.

Letters: N samples, M of the result, P phases, K taps.

Source: J. O. Smith, "Digital Audio Resampling Home Page" (band-limited interpolation); the window is Hann's.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

ZEROS = 24
"""Zero crossings of the sinc on each side."""
ROLLOFF = 0.95
_FINEST = 1000
_MOST = 2**18
"""Numbers of a filter that are reckoned at once; a pair of rates that needs no more (44.1 and 8 kHz: 22,560) is kept. One of 191,999 and 8,000 has ten million."""


def resampled(samples_N: NDArray[np.float32], step: Fraction) -> NDArray[np.float32]:
    """The samples read every `step` samples, (M,): 2 halves a rate, 1/2 doubles it; M = N / step, rounded up.

    Example:
        >>> round(float(resampled(np.ones(400, np.float32), Fraction(2))[100]), 2)
        1.0
    """
    if step == 1 or not len(samples_N):
        return samples_N
    down, up = step.numerator, step.denominator
    count, reach = -(-len(samples_N) * up // down), _reach(down, up)
    padded = np.concatenate([np.zeros(reach, np.float32), samples_N, np.zeros(reach + 1, np.float32)])
    result_M = np.empty(count, np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 2)
    at_once = max(1, _MOST // (2 * reach + 2))
    taps = _kept_taps if up <= at_once else _taps  # a stranger may send any rate: what is large is not kept
    for start in range(0, min(up, count), at_once):
        taps_PK = taps(down, up, start, min(start + at_once, up))
        # Results of one phase lie `down` samples apart, each at the same place between two samples.
        for phase in range(start, min(start + at_once, up, count)):
            first = phase * down // up
            number = -(-(count - phase) // up)
            result_M[phase::up] = windows[first : first + (number - 1) * down + 1 : down] @ taps_PK[phase - start]
    return result_M


def step_between(old: float, new: float) -> Fraction:
    """The step from one rate to another; a factor of speed is a step too. Rates are whole numbers, factors are thousandths."""
    if old == int(old) and new == int(new):
        return Fraction(int(old), int(new))
    return Fraction(round(old / new * _FINEST), _FINEST)


def _cut(down: int, up: int) -> float:
    return ROLLOFF * min(1.0, up / down)


def _reach(down: int, up: int) -> int:
    """How many samples a filter sees before the one that it is asked for."""
    return int(np.ceil(ZEROS / _cut(down, up)))


def _taps(down: int, up: int, start: int, stop: int) -> NDArray[np.float32]:
    """The filter at each of these phases (P, K)."""
    cut, reach = _cut(down, up), _reach(down, up)
    offset_P1 = (np.arange(start, stop) * down % up / up)[:, None]
    time_PK = offset_P1 - np.arange(-reach, reach + 2)[None, :]
    window_PK = np.where(np.abs(time_PK) * cut < ZEROS, np.cos(np.pi * time_PK * cut / (2 * ZEROS)) ** 2, 0.0)
    return (cut * np.sinc(cut * time_PK) * window_PK).astype(np.float32)


_kept_taps = lru_cache(maxsize=64)(_taps)
