"""A figure that is not known exactly: its least, its likeliest and its most."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """A figure between `low` and `high`, most likely `middle`."""

    low: float
    middle: float
    high: float

    @classmethod
    def exactly(cls, value: float) -> Span:
        """A figure that is known."""
        return cls(value, value, value)

    @classmethod
    def around(cls, value: float, share: float) -> Span:
        """A figure that may be wrong by a share of itself.

        >>> Span.around(100, 0.5)
        Span(low=50.0, middle=100, high=150.0)
        """
        return cls(value * (1 - share), value, value * (1 + share))

    @classmethod
    def between(cls, low: float, high: float) -> Span:
        """A figure of which only the bounds are known: most likely their geometric mean.

        >>> Span.between(1, 4)
        Span(low=1, middle=2.0, high=4)
        """
        return cls(low, (low * high) ** 0.5, high)

    def __add__(self, other: Span) -> Span:
        """The sum; both may err in the same direction."""
        return Span(self.low + other.low, self.middle + other.middle, self.high + other.high)

    def __mul__(self, factor: float) -> Span:
        return Span(self.low * factor, self.middle * factor, self.high * factor)

    def over(self, rate: Span) -> Span:
        """The amount divided by a rate: least where the rate is most."""
        return Span(self.low / rate.high, self.middle / rate.middle, self.high / rate.low)

    def to_json(self) -> list[float]:
        """As JSON: least, likeliest, most."""
        return [self.low, self.middle, self.high]


NOTHING = Span.exactly(0)


def add_up(spans: Iterable[Span]) -> Span:
    """The sum of some figures."""
    return sum(spans, NOTHING)
