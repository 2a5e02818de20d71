"""What the SDKs need of `api/openapi.json`: the operations of vendors' backends and the schemas that they use."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

REFERENCE = "#/components/schemas/"
METHODS = ("get", "post", "put", "patch", "delete")
# The gateway is one hand-written method: its paths, queries and bodies are amoCRM's.
GATEWAY = "/v1/amocrm/"
# Schemas that no operation names, with their subjects: the body of an event, and that of an error.
FURTHER_SCHEMAS = {"Event": "events", "Problem": "errors"}
# Subjects of operations by what follows `/v1/backend/` in their paths. Others have that of their tag.
SUBJECTS = {
    "events": "events",
    "deliveries": "events",
    "flycoins": "flycoins",
    "revenue": "flycoins",
    "subscription": "subscriptions",
}
# Subject of schemas that operations of several subjects use.
SHARED = "shared"
# Subject of the codes of errors.
ERRORS = "errors"
# Writes without an idempotency key that do the same when they are sent twice.
HARMLESS_WRITES = ("pauth", "estimateFlycoins", "switchWidget")


@dataclass(frozen=True)
class Parameter:
    """A parameter in the path or in the query."""

    name: str
    schema: dict
    required: bool
    description: str


@dataclass(frozen=True)
class Operation:
    """An operation that a project token may call."""

    name: str
    # Name of the generated file that it stands in.
    subject: str
    method: str
    path: str
    description: str
    path_parameters: tuple
    query_parameters: tuple
    # Name of the body's schema; None without a body.
    body: "str | None"
    # Name of the schema of the successful answer; None if it has no body.
    answer: "str | None"
    has_key: bool
    # Whether a second execution after an unknown outcome does no harm.
    is_repeatable: bool


@dataclass(frozen=True)
class Document:
    """The part of the document that is generated."""

    version: str
    operations: tuple
    # Schemas by name, each after those that it refers to.
    schemas: dict
    # Subjects of the schemas by name. A schema refers to its own subject and to the shared one.
    subjects: dict
    error_codes: tuple

    def operations_of(self, subject: str) -> "list[Operation]":
        """The operations of a subject."""
        return [operation for operation in self.operations if operation.subject == subject]

    def schemas_of(self, subject: str) -> dict:
        """The schemas of a subject, by name."""
        return {name: schema for name, schema in self.schemas.items() if self.subjects[name] == subject}

    def shared_names(self, subject: str) -> "list[str]":
        """Names of the shared schemas that those of another subject refer to."""
        schemas = self.schemas_of(subject)
        return sorted({name for schema in schemas.values() for name in references(schema) if name not in schemas})


def read(path: Path) -> Document:
    """Reads the part of a document that the SDKs need."""
    document = json.loads(path.read_text(encoding="utf-8"))
    paths = document["paths"].items()
    items = [(path, method, item[method]) for path, item in paths for method in METHODS if method in item]
    mine = [(path, method, item) for path, method, item in items if _is_for_backends(item)]
    operations = tuple(_operation(*item) for item in mine if not item[0].startswith(GATEWAY))
    roots = [(name, operation.subject) for operation in operations for name in schemas_of(operation)]
    roots += FURTHER_SCHEMAS.items()
    schemas = document["components"]["schemas"]
    return Document(
        version=document["info"]["version"],
        operations=operations,
        schemas=_reachable(schemas, [name for name, _ in roots]),
        subjects=_subjects(schemas, roots),
        error_codes=tuple(sorted({code for _, _, item in mine for code in _codes(item)})),
    )


def references(schema: object) -> "list[str]":
    """Names of the schemas that a schema refers to, in their order."""
    if isinstance(schema, list):
        return [name for part in schema for name in references(part)]
    if not isinstance(schema, dict):
        return []
    own = [schema["$ref"].removeprefix(REFERENCE)] if "$ref" in schema else []
    parts = [part for key, part in schema.items() if key not in ("example", "examples")]
    return own + references(parts)


def snake_case(name: str) -> str:
    """`listEvents` as `list_events`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def _is_for_backends(operation: dict) -> bool:
    return any("ProjectToken" in way for way in operation.get("security", []))


def _operation(path: str, method: str, operation: dict) -> Operation:
    parameters = operation.get("parameters", [])
    name = operation["operationId"]
    has_key = any(parameter["name"] == "Idempotency-Key" for parameter in parameters)
    described = [operation.get("summary", ""), operation.get("description", "")]
    return Operation(
        name=name,
        subject=_subject(path, operation["tags"]),
        method=method.upper(),
        path=path,
        description="\n\n".join(text for text in described if text),
        path_parameters=tuple(_parameter(found) for found in parameters if found["in"] == "path"),
        query_parameters=tuple(_parameter(found) for found in parameters if found["in"] == "query"),
        body=_json_schema(operation.get("requestBody", {})),
        answer=_answer(operation["responses"]),
        has_key=has_key,
        is_repeatable=method == "get" or has_key or name in HARMLESS_WRITES,
    )


def _subject(path: str, tags: "list[str]") -> str:
    below = path.removeprefix("/v1/backend/").split("/")[0]
    return SUBJECTS.get(below, tags[0].lower())


def _parameter(parameter: dict) -> Parameter:
    return Parameter(
        name=parameter["name"],
        schema=parameter["schema"],
        required=parameter.get("required", False),
        description=parameter.get("description", ""),
    )


def _json_schema(content: dict) -> "str | None":
    schema = content.get("content", {}).get("application/json", {}).get("schema", {})
    return schema["$ref"].removeprefix(REFERENCE) if "$ref" in schema else None


def _answer(responses: dict) -> "str | None":
    successes = [response for status, response in responses.items() if status.startswith("2")]
    if len(successes) != 1:
        raise SystemExit(f"an operation has {len(successes)} successful answers, not one")
    return _json_schema(successes[0])


def schemas_of(operation: Operation) -> "list[str]":
    """Names of the schemas that an operation names itself."""
    parameters = [*operation.path_parameters, *operation.query_parameters]
    named = [name for name in (operation.body, operation.answer) if name]
    return named + [name for parameter in parameters for name in references(parameter.schema)]


def _reachable(schemas: dict, roots: "list[str]") -> dict:
    """The roots and everything that they refer to, dependencies first."""
    ordered: dict = {}

    def visit(name: str, above: tuple) -> None:
        if name in ordered:
            return
        if name in above:
            raise SystemExit(f"the schema {name} contains itself: the generator has no way to write that")
        for reference in references(schemas[name]):
            visit(reference, (*above, name))
        ordered[name] = schemas[name]

    for root in sorted(set(roots)):
        visit(root, ())
    return ordered


def _subjects(schemas: dict, roots: "list[tuple[str, str]]") -> "dict[str, str]":
    """The subjects of the roots and of everything that they refer to."""
    users: dict = {}
    for root, subject in roots:
        for name in _reachable(schemas, [root]):
            users.setdefault(name, set()).add(subject)
    return {name: next(iter(found)) if len(found) == 1 else SHARED for name, found in users.items()}


def _codes(operation: dict) -> "set[str]":
    """Error codes of an operation, from the examples of its answers."""
    responses = operation["responses"].values()
    contents = [content for response in responses for content in response.get("content", {}).values()]
    examples = [example["value"] for content in contents for example in content.get("examples", {}).values()]
    return {example["code"] for example in examples if isinstance(example, dict) and "code" in example}
