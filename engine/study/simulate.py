"""Raters made of chance, to try a study's whole path before people take part. Their ratings mean nothing."""

import random
from collections.abc import Mapping

from engine.study.plan import AXES, Study, languages_of, sitting
from engine.study.ratings import Rating

QUALIFICATION = "simulated"


def simulate(study: Study, raters: int, qualities: Mapping[str, float], seed: int = 7) -> list[Rating]:
    """Ratings around each system's quality (1 to 5), with a strictness of each rater's own and noise."""
    ratings = []
    for number in range(raters):
        chance = random.Random(f"{seed} {number}")  # noqa: S311
        strictness = chance.gauss(0, 0.3)
        for item in sitting(study, number, list(languages_of(study)), seed):
            liked = random.Random(f"{seed} {item.question.id} {item.system}").gauss(qualities[item.system], 0.6)  # noqa: S311
            scores = tuple(min(5, max(1, round(liked + strictness + chance.gauss(0, 0.5)))) for _ in AXES)
            ratings.append(
                Rating(
                    rater=f"simulated-{number + 1}",
                    question=item.question.id,
                    system=item.system,
                    scores=scores,
                    harmful=liked < 1.5,
                    repeat=item.repeat,
                    training=item.question.training,
                    qualification=QUALIFICATION,
                    seconds=round(chance.uniform(10, 60), 1),
                )
            )
    return ratings
