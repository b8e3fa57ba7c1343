"""Time budget of previews: a small share of the run's time decides their size and number."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

PREVIEW_SHARE = 0.05
"""Largest share of a run's wall time that is spent on previews."""
_FREE_SECONDS = 10.0
"""Time for the previews of a run of a given number of steps, however short it is."""
_SIZES = (128, 64, 32, 16)
"""Grids of previews; the last one is used to measure the time of a shape."""
_FEW = 4
"""A preview of fewer shapes than these gets a coarser grid first."""


class PreviewBudget:
    """Account of the time that previews have taken and may take.

    Args:
        planned: Wall time that this process has for the run; None without --time.
        clock: In seconds.
        part: Part of the share of previews that this account has.
    """

    def __init__(
        self, planned: float | None, clock: Callable[[], float], part: float = 1.0
    ) -> None:
        self._planned, self._clock, self._part = planned, clock, part
        self._began, self._spent = clock(), 0.0
        self._costs: dict[int, float] = {}

    @property
    def measured(self) -> bool:
        """True once the time of a shape is known."""
        return bool(self._costs)

    @property
    def spent(self) -> float:
        """Seconds that previews have taken."""
        return self._spent

    def allowance(self, *, last: bool = False) -> float:
        """Seconds that a preview may take now; negative if there were too many.

        Args:
            last: No other preview follows in this process.
        """
        elapsed = self._clock() - self._began
        if self._planned is None:
            whole = max(_FREE_SECONDS, PREVIEW_SHARE * elapsed)
        else:
            whole = PREVIEW_SHARE * (self._planned if last else elapsed)
        return self._part * whole - self._spent

    @contextmanager
    def spending(self, resolution: int | None = None, shapes: int = 1) -> Iterator[None]:
        """Count the time of a block, which draws shapes on grids of a resolution."""
        start = self._clock()
        try:
            yield
        finally:
            seconds = self._clock() - start
            self._spent += seconds
            if resolution is not None and shapes:
                self._costs[resolution] = seconds / shapes

    def choose(self, count: int, resolution: int, seconds: float) -> tuple[int, int] | None:
        """Choose the number of shapes, and the resolution, of a preview.

        Args:
            count: Largest number of shapes.
            resolution: Largest resolution.
            seconds: Time for the preview.

        Returns:
            Number and resolution; None if not even one shape fits the time.
        """
        sizes = [resolution, *(size for size in _SIZES if size < resolution)]
        fitting = {size: int(min(count, seconds // max(self.cost(size), 1e-9))) for size in sizes}
        for size, number in fitting.items():
            if number >= min(count, _FEW):
                return number, size
        coarsest = sizes[-1]
        return (fitting[coarsest], coarsest) if fitting[coarsest] >= 1 else None

    def expected(self, count: int, resolution: int) -> float:
        """Seconds that a last preview of so many shapes is expected to take."""
        return max(0.0, min(self.allowance(last=True), count * self.cost(resolution)))

    def expect(self, resolution: int, seconds: float) -> None:
        """Expect a shape on a grid to take this long, until it is measured."""
        self._costs.setdefault(resolution, seconds)

    def cost(self, resolution: int) -> float:
        """Seconds of a shape on a grid: as measured, or from the next finer or coarser one."""
        if resolution in self._costs:
            return self._costs[resolution]
        nearest = min(self._costs, key=lambda known: abs(known - resolution))
        # Too much rather than too little: sparse grids grow slower, and shrink faster.
        power = 3 if resolution > nearest else 1
        return self._costs[nearest] * (resolution / nearest) ** power
