"""Hooks that give schemathesis credentials for the API; loaded by `cargo xtask fuzz-api`.

Each request gets a new one-time token, as on amoCRM's page; sessions come from a handshake. Half of the generated ids and
accounts are replaced by existing ones, because otherwise no request would get past a look-up.
"""

import base64
import collections
import hashlib
import hmac
import json
import os
import random
import time
import urllib.request
import uuid

import schemathesis

ENVIRONMENT = json.loads(os.environ["FLYSK_FUZZ_ENVIRONMENT"])
CREDENTIAL = os.environ["FLYSK_FUZZ_CREDENTIAL"]
SEEN = os.environ["FLYSK_FUZZ_SEEN"]
SESSION_LIVES_S = 300

chance = random.Random(int(os.environ["FLYSK_FUZZ_SEED"]))
session = {"token": None, "at": 0.0}
seen = collections.defaultdict(collections.Counter)


def text(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def widget_token():
    """HS256 under the integration's secret. Source: amoCRM docs, oauth/disposable-tokens."""
    now = int(time.time())
    claims = {
        "iss": "https://" + ENVIRONMENT["host"],
        "aud": ENVIRONMENT["audience"],
        "jti": str(uuid.uuid4()),
        "iat": now,
        "nbf": now,
        "exp": now + 1800,
        "account_id": ENVIRONMENT["account_id"],
        "user_id": ENVIRONMENT["user_id"],
        "client_uuid": ENVIRONMENT["client_id"],
        "is_admin": True,
    }
    parts = [{"typ": "JWT", "alg": "HS256"}, claims]
    signed = ".".join(text(json.dumps(part).encode()) for part in parts)
    tag = hmac.new(ENVIRONMENT["client_secret"].encode(), signed.encode(), hashlib.sha256).digest()
    return signed + "." + text(tag)


def post(path, headers, body=None):
    data = json.dumps(body).encode() if body is not None else b""
    method = "PUT" if body is not None else "POST"
    headers = {**headers, "Content-Type": "application/json"}
    request = urllib.request.Request(ENVIRONMENT["api_url"] + path, data=data, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def session_token():
    if time.time() - session["at"] > SESSION_LIVES_S:
        session["token"] = post("/v1/handshake", {"X-Auth-Token": widget_token()})["session"]["token"]
        session["at"] = time.time()
    return session["token"]


def credentials(operation):
    """The headers that authorize the operation; none in the run without credentials."""
    schemes = {name for option in operation.definition.raw.get("security", []) for name in option}
    if CREDENTIAL == "none":
        return {}
    if "ProjectToken" in schemes:
        return {"X-Project-Token": ENVIRONMENT["project_token"]}
    if "Session" in schemes and CREDENTIAL == "session":
        return {"Authorization": "Bearer " + session_token()}
    if "WidgetToken" in schemes:
        return {"X-Auth-Token": widget_token()}
    return {}


def id_that_exists(path):
    kind = "events" if "/events/" in path else "transcriptions"
    return chance.choice(ENVIRONMENT["ids"].get(kind) or [None]) if "{id}" in path else None


def install_arrives(case):
    """A request as amoCRM's server sends it on installation, with an invalid code. Source: oauth/step-by-step."""
    code = "%032x" % chance.getrandbits(128)
    case.query = {"code": code, "referer": ENVIRONMENT["host"], "client_id": ENVIRONMENT["client_id"], "from_widget": "1"}
    if "{widget}" in case.operation.path:
        case.path_parameters = {"widget": "flysense"}


@schemathesis.hook
def before_call(context, case, kwargs):
    kwargs["allow_redirects"] = False
    case.headers = case.headers or {}
    opened = credentials(case.operation)
    for name in ["X-Auth-Token", "X-Project-Token", "Authorization"] if opened else []:
        for known in [key for key in case.headers if key.lower() == name.lower()]:
            del case.headers[known]
    case.headers.update(opened)
    known = id_that_exists(case.operation.path)
    if known and chance.random() < 0.5:
        case.path_parameters = {**(case.path_parameters or {}), "id": known}
    if "{path}" in case.operation.path and chance.random() < 0.5:
        case.path_parameters = {"path": chance.choice(ENVIRONMENT["amocrm_paths"])}
        case.headers["X-Account-Id"] = str(ENVIRONMENT["account_id"])
    if "/oauth/amocrm/callback" in case.operation.path and chance.random() < 0.5:
        install_arrives(case)
    if chance.random() < 0.5:
        for part in [case.query, case.body]:
            if isinstance(part, dict) and "account_id" in part:
                part["account_id"] = ENVIRONMENT["account_id"]


@schemathesis.hook
def after_call(context, case, response):
    operation = case.operation.definition.raw["operationId"]
    seen[operation][str(response.status_code)] += 1
    with open(SEEN, "w", encoding="utf-8") as file:
        json.dump(seen, file)
    if operation == "switchWidget" and response.status_code == 200:
        # Turn the widget on again, because turning it off would affect all later requests.
        headers = {"X-Project-Token": ENVIRONMENT["project_token"]}
        post("/v1/backend/switch", headers, {"account_id": ENVIRONMENT["account_id"], "on": True})
