"""The tests of the backend, on Flysk's sandbox. Needs `flysk-sandbox`, or FLYSK_SANDBOX with its path, DATABASE_URL and REDIS_URL."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import unittest

import httpx

ADMIN, USER = 501, 502
PRICE_MICRO = 100_000


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class BackendTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.port = free_port()
        cls.http = httpx.Client(timeout=120, trust_env=False)
        cls.addClassCleanup(cls.http.close)
        events = f"http://127.0.0.1:{cls.port}/flysk/events"
        program = os.environ.get("FLYSK_SANDBOX", "flysk-sandbox")
        options = ["--widget", "widget.json", "--event-url", events, "--starts-at", "2027-01-31T09:00:00Z"]
        if not shutil.which(program):
            raise RuntimeError(f"the sandbox did not start: {program} is not there; FLYSK_SANDBOX names its path")
        cls.sandbox = subprocess.Popen([program, *options], stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.end, cls.sandbox)
        ready = cls.sandbox.stdout.readline()
        if not ready:
            raise RuntimeError("the sandbox did not start: it says above what is missing")
        cls.state = json.loads(ready)
        cls.account = cls.state["accounts"][0]["id"]
        cls.start_backend([cls.state["event_secret"]])
        cls.addClassCleanup(lambda: cls.end(cls.backend))

    @classmethod
    def start_backend(cls, secrets: list[str]) -> None:
        own = {"FLYSK": cls.state["url"], "PROJECT_TOKEN": cls.state["project_token"]}
        own |= {"EVENT_SECRETS": ",".join(secrets), "PORT": str(cls.port)}
        cls.backend = subprocess.Popen([sys.executable, "backend.py"], env={**os.environ, **own})
        deadline = time.monotonic() + 30
        while True:
            try:
                return socket.create_connection(("127.0.0.1", cls.port), timeout=1).close()
            except OSError:
                if time.monotonic() > deadline or cls.backend.poll() is not None:
                    raise
                time.sleep(0.05)

    @staticmethod
    def end(process: subprocess.Popen) -> None:
        process.terminate()
        process.wait(timeout=120)
        if process.stdout:
            process.stdout.close()

    def control(self, method: str, path: str, body: dict | None = None) -> dict:
        answer = self.http.request(method, self.state["control_url"] + path, json=body)
        self.assertEqual(answer.status_code, 200, answer.text)
        return answer.json()

    def token(self, account: int, user: int) -> str:
        return self.control("POST", f"/accounts/{account}/users/{user}/token")["token"]

    def page(self, act: str, name: str, text: str, account: int | None = None, user: int = USER) -> tuple[int, dict]:
        """What the widget's page gets from the backend."""
        return self.ask(self.token(account or self.account, user), act, name, text)

    def ask(self, token: str, act: str, name: str, text: str) -> tuple[int, dict]:
        work = {"id": name, "text": text}
        answer = self.http.post(f"http://127.0.0.1:{self.port}/{act}", json=work, headers={"X-Auth-Token": token})
        return answer.status_code, answer.json()

    def coins_since(self, after: int) -> list[int]:
        told = self.control("GET", f"/timeline?after={after}&type=flycoins")["items"]
        return [entry["available_micro"] for entry in told]

    def now(self) -> int:
        return self.control("GET", "/timeline")["next"]

    def active_accounts(self) -> list[int]:
        return self.http.get(f"http://127.0.0.1:{self.port}/").json()["active_accounts"]

    def test_1_an_event_that_was_missed_comes_again(self) -> None:
        # The widget was installed before the backend listened.
        self.control("POST", "/clock/advance", {"by": "1min"})
        self.assertEqual(self.active_accounts(), [self.account])

    def test_2_no_coins_no_work_until_an_administrator_buys_some(self) -> None:
        self.assertEqual(self.page("quote", "a", "two words"), (200, {"price_micro": 2 * PRICE_MICRO, "covered": False}))
        self.assertEqual(self.page("words", "a", "two words")[0], 402)
        token = self.token(self.account, ADMIN)
        api = httpx.Client(base_url=self.state["url"], trust_env=False)
        with api:
            shaken = api.post("/v1/handshake", headers={"X-Auth-Token": token}).json()
            headers = {"Authorization": f"Bearer {shaken['session']['token']}", "Idempotency-Key": "first-package"}
            package = api.get("/v1/flycoins/packages", headers=headers).json()["items"][0]["id"]
            wanted = {"package_id": package, "email": "buh@example.test"}
            purchase = api.post("/v1/flycoins/purchases", headers=headers, json=wanted).json()["id"]
        self.control("POST", f"/payments/{purchase}/pay", {"card": "2200000000000004"})
        self.assertTrue(self.page("quote", "a", "two words")[1]["covered"])

    def test_3_work_is_charged_once_and_returned_if_it_fails(self) -> None:
        after, done = self.now(), (200, {"words": 2, "charged_micro": 2 * PRICE_MICRO})
        self.assertEqual(self.page("words", "b", "two words"), done)
        self.assertEqual(self.page("words", "b", "two words"), done, "the page asked twice")
        self.assertEqual(self.page("words", "b", "other words"), done, "another text under the same id")
        self.assertEqual(self.page("words", "c", " ")[0], 422)
        self.assertEqual(self.page("words", "c", " ")[0], 409, "refunded work is not free")
        spent = [-2 * PRICE_MICRO, -2 * PRICE_MICRO, -PRICE_MICRO, PRICE_MICRO]
        self.assertEqual(self.coins_since(after), spent)

    def test_4_flysk_that_is_busy_down_or_cut_off_charges_once(self) -> None:
        failures = ({"status": 429, "retry_after_s": 0}, {"status": 503}, {"lose": "request"}, {"lose": "answer"})
        for number, failure in enumerate(failures):
            after = self.now()
            self.control("POST", "/api/fail", {"path": "/v1/backend/flycoins/charges", **failure})
            self.assertEqual(self.page("words", f"d{number}", "word")[0], 200, failure)
            self.assertEqual(self.coins_since(after), [-PRICE_MICRO], failure)

    def test_5_the_event_secret_is_replaced_without_losing_an_event(self) -> None:
        cls, former = type(self), self.state["event_secret"]
        rotated = self.control("POST", "/secrets/rotate", {"secret": "event_secret", "keep": "1d"})
        # Signed with both: the backend that knows the former one goes on.
        second = self.control("POST", "/accounts", {"subdomain": "second"})["account"]["id"]
        self.assertIn(second, self.active_accounts())
        self.end(cls.backend)
        cls.start_backend([former, rotated["event_secret"]])
        self.control("POST", "/clock/advance", {"by": "2d"})
        third = self.control("POST", "/accounts", {"subdomain": "third"})["account"]["id"]
        self.assertIn(third, self.active_accounts())

    def test_6_an_account_that_leaves_is_forgotten(self) -> None:
        third = self.control("GET", "/accounts")["items"][-1]["id"]
        self.control("DELETE", f"/accounts/{third}")
        self.assertNotIn(third, self.active_accounts())

    def test_7_a_year_later_the_widget_still_works(self) -> None:
        year = self.control("POST", "/clock/advance", {"by": "1y"})
        self.assertEqual([item for item in year["items"] if item["type"] == "failed_job"], [])
        self.assertEqual(self.page("words", "e", "one")[0], 200)

    def test_8_accounts_may_choose_the_same_id(self) -> None:
        self.assertEqual(self.page("words", "f", "one")[0], 200)
        other = self.control("POST", "/accounts", {"subdomain": "fourth"})["account"]
        # A charge of its own, which it cannot pay.
        self.assertEqual(self.page("words", "f", "one", other["id"], other["users"][0]["id"])[0], 402)

    def test_9_a_page_that_was_open_for_long_or_is_forged_asks_again(self) -> None:
        token = self.token(self.account, USER)
        self.control("POST", "/clock/advance", {"by": "1h"})
        for refused in (token, "forged"):
            self.assertEqual(self.ask(refused, "words", "g", "one")[0], 401)

    def test_a_an_account_that_took_the_access_back_is_told_so(self) -> None:
        self.control("POST", f"/accounts/{self.account}/revoke")
        self.control("POST", "/clock/advance", {"by": "1d"})
        self.assertEqual(self.page("words", "h", "one")[0], 403)


if __name__ == "__main__":
    unittest.main()
