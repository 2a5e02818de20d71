"""Writes the generated modules of the SDK for Node.js."""

import json
import re
import textwrap

from document import ERRORS, SHARED, Document, Operation, Parameter, references, schemas_of

HEADER = "// {about}\n// Generated from api/openapi.json by sdk/generator: changes here are lost.\n"
LINE_LENGTH = 120
PLAIN = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
    "object": "Record<string, unknown>",
}


def version(document: Document) -> str:
    """The module with the version."""
    about = "Version of the SDK: that of the API's document."
    return HEADER.format(about=about) + f"\nexport const VERSION = '{document.version}'\n"


def models(document: Document) -> "dict[str, str]":
    """The modules with the types of bodies and answers, by name."""
    return {subject: _models(document, subject) for subject in sorted({ERRORS, *document.subjects.values()})}


def index(modules: "list[str]") -> str:
    """The module that exports the types of others."""
    parts = [HEADER.format(about="Types of request bodies and answers.")]
    return "\n".join(parts) + "\n" + "".join(f"export type * from './models/{module}.js'\n" for module in sorted(modules))


def _models(document: Document, subject: str) -> str:
    parts = [HEADER.format(about=f"Types of request bodies and answers: {subject}.")]
    shared = document.shared_names(subject)
    if shared:
        parts.append(f"import type {{ {', '.join(shared)} }} from './{SHARED}.js'\n")
    if subject == ERRORS:
        parts.append(_union("ErrorCode", document.error_codes, "Codes of errors. Codes may be added."))
    return "\n".join([*parts, *(_model(name, schema) for name, schema in document.schemas_of(subject).items())])


def operations(document: Document) -> str:
    """The module with a method for each operation."""
    used = sorted({name for operation in document.operations for name in schemas_of(operation)})
    imports = "".join(f"  {name},\n" for name in used)
    parts = [
        HEADER.format(about="A method for each operation of the API that a vendor's backend may call."),
        f"import type {{\n{imports}}} from './models.js'",
        "import { Transport, segment, type CallOptions, type KeyedOptions } from './transport.js'\n",
        "".join(_query(operation) for operation in document.operations if operation.query_parameters),
        "/** The operations. */\nexport abstract class Operations extends Transport {",
        "\n".join(_method(operation) for operation in document.operations) + "}\n",
    ]
    return "\n".join(parts)


def _type(schema: dict) -> str:
    if "$ref" in schema:
        return references(schema)[0]
    if "anyOf" in schema:
        return " | ".join(_type(part) for part in schema["anyOf"])
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if not kinds:
        return "unknown"
    items = f"{_type(schema['items'])}[]" if "items" in schema else "unknown[]"
    return " | ".join(items if kind == "array" else PLAIN[kind] for kind in kinds)


def _union(name: str, words: "tuple[str, ...] | list[str]", description: str) -> str:
    # The last member accepts words that a later API adds, and keeps the completion of the known ones.
    choices = "".join(f"  | '{word}'\n" for word in words)
    return f"{_comment(description, '')}export type {name} =\n{choices}  | (string & {{}})\n"


def _model(name: str, schema: dict) -> str:
    about = _comment(schema.get("description", name), "")
    if "enum" in schema:
        return _union(name, schema["enum"], schema.get("description", name))
    required = set(schema.get("required", []))
    fields = "".join(
        f"{_comment(part.get('description', ''), '  ')}  {field}{'' if field in required else '?'}: {_type(part)}\n"
        for field, part in schema.get("properties", {}).items()
    )
    return f"{about}export interface {name} {{\n{fields}}}\n"


def _method(operation: Operation) -> str:
    arguments = [f"{_camel(parameter.name)}: string" for parameter in operation.path_parameters]
    arguments += [f"body: {operation.body}"] if operation.body else []
    if operation.query_parameters:
        is_required = any(parameter.required for parameter in operation.query_parameters)
        arguments.append(f"query: {_query_name(operation)}{'' if is_required else ' = {}'}")
    arguments.append("options: KeyedOptions" if operation.has_key else "options: CallOptions = {}")
    answer = operation.answer or "void"
    signature = f"  {operation.name}({', '.join(arguments)}): Promise<{answer}> {{"
    if len(signature) > LINE_LENGTH:
        listed = "".join(f"    {argument},\n" for argument in arguments)
        signature = f"  {operation.name}(\n{listed}  ): Promise<{answer}> {{"
    return f"{_comment(operation.description, '  ')}{signature}\n    return {_call(operation)}\n  }}\n"


def _query_name(operation: Operation) -> str:
    return f"{operation.name[0].upper()}{operation.name[1:]}Query"


def _query(operation: Operation) -> str:
    """The type of an operation's query."""
    fields = "".join(f"{_comment(field.description, '  ')}  {_field(field)}\n" for field in operation.query_parameters)
    return f"/** Query of `{operation.name}`. */\nexport interface {_query_name(operation)} {{\n{fields}}}\n\n"


def _field(parameter: Parameter) -> str:
    kind = _type(parameter.schema)
    return f"{parameter.name}: {kind}" if parameter.required else f"{parameter.name}?: {kind} | undefined"


def _call(operation: Operation) -> str:
    path = f"'{operation.path}'"
    if operation.path_parameters:
        written = operation.path
        for parameter in operation.path_parameters:
            written = written.replace(f"{{{parameter.name}}}", f"${{segment({_camel(parameter.name)})}}")
        path = f"`{written}`"
    parts = ["body"] if operation.body else []
    parts += ["query"] if operation.query_parameters else []
    parts += [f"repeatable: {json.dumps(operation.is_repeatable)}", "...options"]
    return f"this.call('{operation.method}', {path}, {{ {', '.join(parts)} }})"


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)


def _comment(text: str, indent: str) -> str:
    if not text:
        return ""
    safe = text.replace("*/", "* /")
    paragraphs = [" ".join(part.split()) for part in safe.split("\n\n")]
    width = LINE_LENGTH - len(indent) - len(" * ")
    lines = "\n\n".join("\n".join(textwrap.wrap(part, width)) for part in paragraphs).split("\n")
    if len(lines) == 1 and len(lines[0]) <= LINE_LENGTH - len(indent) - 7:
        return f"{indent}/** {lines[0]} */\n"
    return f"{indent}/**\n" + "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines) + f"{indent} */\n"
