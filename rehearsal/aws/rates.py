"""How many requests a second a service answers, as AWS limits them. Off unless a test asks for it: it costs time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


class Rates:
    """A bucket of tokens for each service, which refills at its rate and holds one second's worth.

    rates: requests a second by service, as the request log names it; a service that is not named is not limited.
    """

    def __init__(self, rates: Mapping[str, float] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates = dict(rates or {})
        self._clock = clock
        self._left = {service: max(rate, 1.0) for service, rate in self._rates.items()}
        self._seen = dict.fromkeys(self._rates, clock())

    def allow(self, service: str) -> bool:
        """Whether the service answers one more request now."""
        rate = self._rates.get(service)
        if rate is None:
            return True
        now = self._clock()
        self._left[service] = min(max(rate, 1.0), self._left[service] + (now - self._seen[service]) * rate)
        self._seen[service] = now
        if self._left[service] < 1:
            return False
        self._left[service] -= 1
        return True
