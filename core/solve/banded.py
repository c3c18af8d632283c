"""The linear system of a chain of frames, each coupled with the next two.

Problem: H x = b with H symmetric and positive definite; the T x T blocks of n x n are zero further than two off the diagonal.
Method: LAPACK's banded Cholesky, O(T n^3). Limits: memory is T x 3n x n numbers, so long clips come in windows. float64.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import solveh_banded


def solve_chain(strips: np.ndarray, b: np.ndarray) -> np.ndarray:
    """x (T, n) from strips (T, 3n, n), for each block column its diagonal block and the two below it (what lies below the last
    frame is ignored), and b (T, n). Raises numpy.linalg.LinAlgError when the matrix is not positive definite."""
    frames, height, n = strips.shape
    if height != 3 * n or b.shape != (frames, n):
        raise ValueError(f"strips must be (T, 3n, n) and b (T, n), got {strips.shape} and {b.shape}")
    rows = np.arange(n)[:, None] + np.arange(height)[None, :]  # column c of a strip, seen from the diagonal down
    inside = rows < height
    band = strips.transpose(0, 2, 1)[:, np.arange(n)[:, None], np.where(inside, rows, 0)]
    band = np.where(inside, band, 0.0).reshape(frames * n, height).T
    return solveh_banded(band, b.reshape(-1), lower=True, overwrite_ab=True, check_finite=True).reshape(frames, n)
