"""The linear system of a chain of frames, each coupled with the next two.

Problem: H x = b with H symmetric and positive definite; the T x T blocks of n x n are zero further than two off the diagonal.
Method: LAPACK's banded Cholesky, O(T n^3). Limits: memory is T x 4n x n numbers, so long clips come in windows. float64.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided
from scipy.linalg import solveh_banded


def empty_chain(frames: int, n: int) -> np.ndarray:
    """Zeros (T, n, 4n): [t, c] is column c of frame t from its frame's first row down: the diagonal block, the two blocks below it
    and n zeros that let `solve_chain` read the band without a copy."""
    return np.zeros((frames, n, 4 * n))


def solve_chain(columns: np.ndarray, b: np.ndarray, damping: float) -> np.ndarray:
    """x (T, n) of (H + damping diag(H)) x = b; columns as from `empty_chain`, filled; b (T, n).

    What lies below the last frame is ignored. Raises numpy.linalg.LinAlgError when the matrix is not positive definite.
    """
    frames, n, height = columns.shape
    if height != 4 * n or b.shape != (frames, n):
        raise ValueError(f"columns must be (T, n, 4n) and b (T, n), got {columns.shape} and {b.shape}")
    item = columns.itemsize
    # From the diagonal down: one further along the flat memory for each further column.
    band = as_strided(columns, (frames, n, 3 * n), (n * height * item, (height + 1) * item, item)).copy()
    band[..., 0] *= 1.0 + damping
    band = band.reshape(frames * n, 3 * n).T
    return solveh_banded(band, b.reshape(-1), lower=True, overwrite_ab=True).reshape(frames, n)
