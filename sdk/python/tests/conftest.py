"""The Flysk under test. `cargo xtask clients` starts one and names it in the environment; see README.md."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from front import Front
from sandbox import Sandbox

from flysk import Flysk, RetryPolicy

# Without delays that tests would wait for.
QUICK = RetryPolicy(base_delay_s=0.01, max_delay_s=0.02)


@dataclass(frozen=True)
class Stand:
    """A widget that is installed in an account and uses Flycoins."""

    url: str
    project_token: str
    account_id: int
    # User of the page, and a one-time token of it.
    user_id: int
    page_token: str
    # A priced service, and its price for 60 units, micro-Flycoins.
    service: str
    price_micro: int
    # Events as they arrived while the secret was being replaced: `secrets`, `headers` and `body`.
    delivered: dict[str, Any]

    def line(self, quantity: int = 60) -> dict[str, Any]:
        """A line of a charge."""
        return {"service": self.service, "quantity": quantity}


@pytest.fixture(scope="session")
def stand() -> Stand:
    variables = os.environ
    return Stand(
        url=variables["FLYSK_URL"],
        project_token=variables["PROJECT_TOKEN"],
        account_id=int(variables["ACCOUNT_ID"]),
        user_id=int(variables["USER_ID"]),
        page_token=variables["PAGE_TOKEN"],
        service=variables["SERVICE"],
        price_micro=int(variables["PRICE_MICRO"]),
        delivered=json.loads(Path(variables["DELIVERED_EVENT"]).read_text(encoding="utf-8")),
    )


@pytest.fixture
def flysk(stand: Stand) -> Iterator[Flysk]:
    with Flysk(stand.url, stand.project_token, retries=QUICK) as client:
        yield client


@pytest.fixture
def front(stand: Stand) -> Iterator[Front]:
    with Front(stand.url) as front:
        yield front


@pytest.fixture
def behind(stand: Stand, front: Front) -> Iterator[Flysk]:
    """A client whose requests pass the front."""
    with Flysk(front.url, stand.project_token, retries=QUICK, timeout_s=10) as client:
        yield client


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """The control API of the sandbox; the test is skipped if Flysk is none."""
    url = os.environ.get("SANDBOX_CONTROL_URL")
    if url is None:
        pytest.skip("SANDBOX_CONTROL_URL is not set: Flysk is no sandbox")
    with Sandbox(url) as sandbox:
        yield sandbox
