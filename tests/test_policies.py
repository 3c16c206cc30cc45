"""The names of the policies, and where continuous integration is."""

from __future__ import annotations

import pytest

from playhead.config.policies import in_ci


@pytest.mark.parametrize("value", ["true", "1", "TRUE", "yes", "woodpecker"])
def test_a_service_for_continuous_integration_says_so(value: str) -> None:
    assert in_ci({"CI": value})


@pytest.mark.parametrize("environ", [{}, {"CI": ""}, {"CI": "false"}, {"CI": "0"}, {"CI": " No "}])
def test_elsewhere_it_is_not_set_or_denied(environ: dict[str, str]) -> None:
    assert not in_ci(environ)
