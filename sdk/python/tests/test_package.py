"""What the package is made of."""

import inspect
import pickle
import typing
from importlib import metadata, resources

import pytest

import flysk
from flysk import models
from flysk._gateway import gateway_path
from flysk._transport import Answer, error_of
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


def _headers() -> typing.Any:
    import httpx

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
    with pytest.raises(ValueError, match="/api/v4/"):
        gateway_path("https://demo.amocrm.ru/oauth2/access_token")


@pytest.mark.parametrize(("url", "token"), [("flysk.example.com", "fpt_1"), ("https://flysk.example.com", "")])
def test_a_client_without_address_or_token_is_refused(url: str, token: str) -> None:
    with pytest.raises(ValueError, match=r"base_url|project_token"):
        flysk.Flysk(url, token)
