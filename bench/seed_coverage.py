"""Share of intervals over few seeds that hold the truth, where it is known.

    python bench/seed_coverage.py

Simulates studies: scores of pictures by models that were trained under a few seeds. What pictures,
seeds and both together do is normal; the share of the mean's variance that is the seed's is given.
Printed is how often a 95 % interval holds the true mean: that of `ikusi.statistics`, a bootstrap
over pictures alone, and one that draws seeds as well; and how wide the first is, as a multiple of
the interval that one would have who knew all variances.
"""

import argparse

import numpy as np

from ikusi import statistics

PICTURES, RESAMPLES = 60, 300
NORMAL = 1.959964
Array = np.ndarray


def draw(generator: np.random.Generator, seeds: int, share: float) -> Array:
    """Scores [seeds, pictures] with mean 0, whose mean has variance 1 by pictures.

    Half of that is of pictures alone, half of single pictures under single seeds.
    """
    by_seed = (seeds * share / (1 - share)) ** 0.5
    alone, both = (PICTURES / 2) ** 0.5, (PICTURES * seeds / 2) ** 0.5
    scores = by_seed * generator.standard_normal((seeds, 1))
    scores = scores + alone * generator.standard_normal(PICTURES)
    return np.asarray(scores + both * generator.standard_normal((seeds, PICTURES)))


def resample_both(generator: np.random.Generator, scores: Array) -> tuple[float, float]:
    """The percentile interval of a bootstrap that draws seeds and pictures."""
    seeds, pictures = scores.shape
    seed = generator.integers(seeds, size=(RESAMPLES, seeds, 1))
    picture = generator.integers(pictures, size=(RESAMPLES, 1, pictures))
    low, high = np.quantile(scores[seed, picture].mean(axis=(1, 2)), [0.025, 0.975])
    return float(low), float(high)


def simulate(seeds: int, share: float, studies: int) -> tuple[list[float], float]:
    """Coverage of ours, of pictures alone, of seeds and pictures drawn; the width of ours."""
    generator = np.random.default_rng([seeds, round(100 * share)])
    held, width = np.zeros(3), 0.0
    for number in range(studies):
        scores = draw(generator, seeds, share)
        ours = statistics.bootstrap_interval(scores, n=RESAMPLES, seed=number)
        alone = statistics.bootstrap_interval(scores.mean(axis=0), n=RESAMPLES, seed=number)
        bounds = (ours[1:], alone[1:], resample_both(generator, scores))
        held += [low <= 0 <= high for low, high in bounds]
        width += ours.high - ours.low
    known = 2 * NORMAL * (1 / (1 - share)) ** 0.5
    return (held / studies).tolist(), width / studies / known


def main() -> None:
    """Print a row for each number of seeds and share."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000)
    studies = parser.parse_args().studies
    columns = [
        "seeds",
        "variance by seed",
        "ours",
        "bootstrap over pictures",
        "bootstrap over both",
    ]
    print("|", " | ".join([*columns, "width"]), "|")
    print("|--:|--:|--:|--:|--:|--:|")
    for seeds in (2, 3, 5):
        for share in (0.0, 0.3, 0.6, 0.9):
            held, width = simulate(seeds, share, studies)
            shown = " | ".join(f"{part:.2f}" for part in held)
            print(f"| {seeds} | {share * 100:.0f} % | {shown} | {width:.1f} |", flush=True)


if __name__ == "__main__":
    main()
