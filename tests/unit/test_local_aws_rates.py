"""The local AWS can be as slow as AWS."""

from __future__ import annotations

from rehearsal.aws.rates import Rates


def _rates(rates: dict[str, float], now: list[float]) -> Rates:
    return Rates(rates, clock=lambda: now[0])


def test_a_second_holds_as_many_requests_as_the_rate() -> None:
    now = [0.0]
    rates = _rates({"route53": 5}, now)
    assert [rates.allow("route53") for _ in range(7)] == [True] * 5 + [False] * 2
    now[0] = 0.2
    assert [rates.allow("route53") for _ in range(2)] == [True, False]
    now[0] = 60.0
    assert [rates.allow("route53") for _ in range(7)] == [True] * 5 + [False] * 2


def test_a_service_that_is_not_named_is_not_limited() -> None:
    rates = _rates({"route53": 5}, [0.0])
    assert all(rates.allow("ec2") for _ in range(100))
