"""Turns scores into probabilities: isotonic regression by pooling adjacent violators, smoothed into a strictly rising
line."""

import numpy as np
from numpy.typing import NDArray

_LEAST = 30  # texts behind each knot


def isotonic(
    scores: NDArray[np.float64], truth: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Knots (score, probability) of a rising line through the frequency of `truth` (0 or 1) at each score.

    Equal probabilities are pulled apart by a hair, so that the line keeps the order of scores. Source: Zadrozny and
    Elkan (2002), Transforming classifier scores into accurate multiclass probability estimates.
    """
    order = np.argsort(scores, kind="stable")
    x, y = scores[order], truth[order]
    blocks = [
        [float(part_x.mean()), float(part_y.sum()), float(len(part_y))]
        for part_x, part_y in zip(
            np.array_split(x, max(1, len(x) // _LEAST)), np.array_split(y, max(1, len(y) // _LEAST)), strict=True
        )
    ]
    pooled: list[list[float]] = []
    for block in blocks:
        pooled.append(block)
        while len(pooled) > 1 and pooled[-2][1] / pooled[-2][2] >= pooled[-1][1] / pooled[-1][2]:
            last, before = pooled.pop(), pooled.pop()
            total = before[2] + last[2]
            pooled.append([(before[0] * before[2] + last[0] * last[2]) / total, before[1] + last[1], total])
    knots_x = np.array([block[0] for block in pooled])
    knots_y = np.array([(block[1] + 0.5) / (block[2] + 1) for block in pooled])
    knots_y = np.maximum.accumulate(knots_y) + np.arange(len(knots_y)) * 1e-6
    knots_x = np.concatenate([[knots_x[0] - 12.0], knots_x, [knots_x[-1] + 12.0]])
    knots_y = np.clip(np.concatenate([[0.0], knots_y, [1.0]]), 0.0, 1.0)
    return knots_x.round(5), knots_y.round(7)
