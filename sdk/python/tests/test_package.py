"""What the package is made of."""

import inspect
import pickle
import typing
from importlib import metadata, resources

import httpx
import pytest

import flysk
from flysk import models
from flysk._gateway import gateway_path
from flysk._transport import Answer, error_of, segment
from flysk.errors import CLASSES


def test_the_installed_package_is_typed_and_has_the_version_of_the_api() -> None:
    assert metadata.version("flysk") == flysk.__version__
    assert resources.files(flysk).joinpath("py.typed").is_file()


def test_every_class_of_error_belongs_to_codes_of_the_api() -> None:
    codes = typing.get_args(models.ErrorCode)
    assert set(CLASSES) <= set(codes)
    kinds = {kind for kind in vars(flysk.errors).values() if isinstance(kind, type) and issubclass(kind, flysk.ApiError)}
    assert kinds == {*CLASSES.values(), flysk.ApiError}
    assert all(kind.__name__ in flysk.__all__ for kind in kinds)


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        public = inspect.getmembers(kind, inspect.isfunction)
        return {name: list(inspect.signature(found).parameters) for name, found in public if not name.startswith("_")}

    assert methods(flysk.Flysk) == methods(flysk.AsyncFlysk)
    assert {"charge_flycoins", "hold_flycoins", "pauth", "get_backend_subscription"} <= set(methods(flysk.Flysk))


def test_an_error_survives_a_process_boundary() -> None:
    problem = b'{"code": "insufficient_balance", "detail": "Not enough", "title": "T", "status": 402}'
    answer = Answer(402, _headers(), problem)
    error = pickle.loads(pickle.dumps(error_of(answer)))
    assert isinstance(error, flysk.InsufficientBalanceError)
    assert (error.status, error.code, error.request_id) == (402, "insufficient_balance", "req-1")
    assert str(error) == "402 insufficient_balance: Not enough (request req-1)"


def _headers() -> httpx.Headers:
    return httpx.Headers({"Content-Type": "application/problem+json", "X-Request-Id": "req-1"})


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("leads/1", "leads/1"),
        ("/leads", "leads"),
        ("leads?page=2", "leads?page=2"),
        ("/api/v4/leads/1/notes", "leads/1/notes"),
        ("https://demo.amocrm.ru/api/v4/leads?page=2&limit=250", "leads?page=2&limit=250"),
    ],
)
def test_a_path_of_amocrm_has_several_forms(path: str, wanted: str) -> None:
    assert gateway_path(path) == f"/v1/amocrm/api/v4/{wanted}"


def test_an_address_outside_of_amocrms_api_is_refused() -> None:
    with pytest.raises(ValueError, match="/api/v4/") as caught:
        gateway_path("https://demo.amocrm.ru/oauth2/access_token")
    assert isinstance(caught.value, flysk.InvalidPathError)


DOTS = ["..", ".", "%2e%2e", ".%2E", "%2e", "..%2fusers", "..\\users", "%2e%2e%5Cusers", ".\t.", ".. ", "..#x", "..?x=1"]


def test_a_segment_that_leads_to_another_path_is_refused_before_anything_is_sent() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"sent to {request.url}")

    with httpx.Client(transport=httpx.MockTransport(refuse)) as http:
        client = flysk.Flysk("https://flysk.example.com", "fpt_1", http=http)
        for dots in DOTS:
            for path in (f"leads/{dots}", f"/api/v4/{dots}/leads", f"https://demo.amocrm.ru/api/v4/leads/{dots}"):
                with pytest.raises(flysk.InvalidPathError):
                    client.amocrm(1, "GET", path)
            with pytest.raises(flysk.InvalidPathError):
                client.request("GET", f"/v1/backend/events/{dots}")
        for foreign in ("@evil.example/x", ".evil.example/x", "v1/backend/events"):
            with pytest.raises(flysk.InvalidPathError):
                client.request("GET", foreign)
        for dots in (".", ".."):
            with pytest.raises(flysk.InvalidPathError):
                client.get_event(dots)


def test_dots_that_lead_nowhere_are_sent() -> None:
    assert gateway_path("leads/a..b/...?query=../x") == "/v1/amocrm/api/v4/leads/a..b/...?query=../x"
    assert segment("a/../b") == "a%2F..%2Fb"


@pytest.mark.parametrize(("url", "token"), [("flysk.example.com", "fpt_1"), ("https://flysk.example.com", "")])
def test_a_client_without_address_or_token_is_refused(url: str, token: str) -> None:
    with pytest.raises(ValueError, match=r"base_url|project_token"):
        flysk.Flysk(url, token)
