"""The program of README.md runs as it is written there."""

import re
from pathlib import Path
from typing import Any

import pytest
from conftest import Stand

README = Path(__file__).parents[1] / "README.md"


def test_the_program_of_the_readme_charges_for_words_and_takes_an_event(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    delivered = stand.delivered
    monkeypatch.setenv("FLYSK", stand.url)
    monkeypatch.setenv("PROJECT_TOKEN", stand.project_token)
    monkeypatch.setenv("EVENT_SECRET", delivered["secrets"][1])
    stored: list[tuple[Any, ...]] = []
    program: dict[str, Any] = {"store_once": lambda *event: stored.append(event)}
    text = found.group(1).replace("my-widget.request", stand.service)
    exec(compile(text, README.name, "exec"), program)
    with program["flysk"] as flysk:
        account = stand.account_id
        price = flysk.estimate_flycoins({"account_id": account, "lines": [stand.line(1)]})["total_micro"]
        before = flysk.get_flycoin_balance(account_id=account)["available_micro"]
        for _ in range(2):
            assert program["count_words"](stand.page_token, "py-readme", "two words") == 2
        after = flysk.get_flycoin_balance(account_id=account)["available_micro"]
        assert before - after == price, "the same work is charged once"
    body = delivered["body"].encode()
    assert program["receive_event"](delivered["headers"], body) == 204
    assert program["receive_event"](delivered["headers"], body + b" ") == 401
    assert [(event[0], event[1]) for event in stored] == [(delivered["headers"]["webhook-id"], "test")]
