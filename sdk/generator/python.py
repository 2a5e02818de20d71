"""Writes the generated modules of the Python SDK."""

import json
import keyword
import re
import textwrap

from document import ERRORS, SHARED, Document, Operation, Parameter, references, schemas_of, snake_case

HEADER = '"""{about}\n\nGenerated from api/openapi.json by sdk/generator: changes here are lost.\n"""\n'
LINE_LENGTH = 120
PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None", "object": "dict[str, Any]"}


def version(document: Document) -> str:
    """The module that the package's version is read from."""
    return HEADER.format(about="Version of the SDK: that of the API's document.") + f'\n__version__ = "{document.version}"\n'


def models(document: Document) -> "dict[str, str]":
    """The modules of the package with the types of bodies and answers, by name."""
    subjects = sorted({ERRORS, *document.subjects.values()})
    named = {subject: [*document.schemas_of(subject)] for subject in subjects}
    named[ERRORS].append("ErrorCode")
    about = "Types of request bodies and answers: dictionaries, as they travel in JSON."
    texts = {"__init__": _index(about, named)}
    for subject in subjects:
        schemas = document.schemas_of(subject)
        parts = [HEADER.format(about=f"Types of request bodies and answers: {subject}.")]
        parts.append(_typing("".join(_model(*item) for item in schemas.items()), subject == ERRORS))
        if document.shared_names(subject):
            parts.append(_import(f".{SHARED}", document.shared_names(subject)))
        if subject == ERRORS:
            parts.append(_literal("ErrorCode", document.error_codes, "Codes of errors. Codes may be added."))
        texts[subject] = "\n".join([*parts, *(_model(name, schema) for name, schema in schemas.items())])
    return texts


def operations(document: Document) -> "dict[str, str]":
    """The modules of the package with a method for each operation, once for each kind of client, by name."""
    subjects = sorted({operation.subject for operation in document.operations})
    texts = {subject: _operations(document, subject) for subject in subjects}
    about = "A method for each operation of the API that a vendor's backend may call."
    parts = [HEADER.format(about=about)]
    parts += [_import(f".{subject}", [_class(subject, True), _class(subject, False)]) for subject in subjects]
    for is_async in (False, True):
        bases = ", ".join(_class(subject, is_async) for subject in subjects)
        kind = "an asynchronous" if is_async else "a blocking"
        name = "AsyncOperations" if is_async else "Operations"
        parts.append(f'\n\nclass {name}({bases}):\n    """The operations of {kind} client."""\n')
    return {**texts, "__init__": "\n".join(parts[:1]) + "\n" + "".join(parts[1:])}


def _operations(document: Document, subject: str) -> str:
    mine = document.operations_of(subject)
    used = sorted({name for operation in mine for name in schemas_of(operation)})
    names = ["AsyncTransport", "Transport"]
    names += ["segment"] if any(operation.path_parameters for operation in mine) else []
    imports = _import(".._transport", names) + _import("..models", used)
    parts = [HEADER.format(about=f"A method for each operation: {subject}."), imports]
    for is_async in (False, True):
        base = "AsyncTransport" if is_async else "Transport"
        kind = "an asynchronous" if is_async else "a blocking"
        about = f"The operations of {kind} client: {subject}."
        parts.append(f'\nclass {_class(subject, is_async)}({base}):\n    """{about}"""\n')
        parts += [_method(operation, is_async) for operation in mine]
    return "\n".join(parts)


def _class(subject: str, is_async: bool) -> str:
    return f"{'Async' if is_async else ''}{subject.capitalize()}Operations"


def _index(about: str, named: "dict[str, list[str]]") -> str:
    """A module that exports the names of others."""
    imports = "".join(_import(f".{module}", sorted(names)) for module, names in named.items())
    exported = "".join(f'    "{name}",\n' for name in sorted(name for names in named.values() for name in names))
    return f"{HEADER.format(about=about)}\n{imports}\n__all__ = [\n{exported}]\n"


def _import(module: str, names: "list[str]") -> str:
    line = f"from {module} import {', '.join(names)}\n"
    if len(line) <= LINE_LENGTH:
        return line
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in names) + ")\n"


def _typing(text: str, has_literal: bool) -> str:
    """The import of what a module uses of `typing`."""
    used = [name for name in ("Any", "Literal", "NotRequired", "TypedDict") if re.search(rf"\b{name}\b(?=[\[(),\] \n])", text)]
    return _import("typing", sorted({*used, *(["Literal"] if has_literal else [])}))


def _type(schema: dict) -> str:
    if "$ref" in schema:
        return references(schema)[0]
    if "anyOf" in schema:
        return " | ".join(_type(part) for part in schema["anyOf"])
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if not kinds:
        return "Any"
    items = f"list[{_type(schema['items'])}]" if "items" in schema else "list[Any]"
    return " | ".join(items if kind == "array" else PLAIN[kind] for kind in kinds)


def _literal(name: str, words: "tuple[str, ...] | list[str]", description: str) -> str:
    choices = "".join(f"    {json.dumps(word)},\n" for word in words)
    return f"\n{name} = Literal[\n{choices}]\n{_docstring(description, '')}"


def _model(name: str, schema: dict) -> str:
    if "enum" in schema:
        return _literal(name, schema["enum"], schema.get("description", name))
    required = set(schema.get("required", []))
    fields = {
        field: (_type(part) if field in required else f"NotRequired[{_type(part)}]", part.get("description", ""))
        for field, part in schema.get("properties", {}).items()
    }
    about = schema.get("description", name)
    if any(keyword.iskeyword(field) for field in fields):
        listed = "".join(f"{_comment(text)}        {json.dumps(field)}: {kind},\n" for field, (kind, text) in fields.items())
        return f'\n{name} = TypedDict(\n    "{name}",\n    {{\n{listed}    }},\n)\n{_docstring(about, "")}'
    listed = "".join(f"    {field}: {kind}\n{_docstring(text, '    ')}" for field, (kind, text) in fields.items())
    return f"\nclass {name}(TypedDict):\n{_docstring(about, '    ')}\n{listed}"


def _method(operation: Operation, is_async: bool) -> str:
    arguments = ["self", *(f"{parameter.name}: str" for parameter in operation.path_parameters)]
    arguments += [f"body: {operation.body}"] if operation.body else []
    named = ["idempotency_key: str"] if operation.has_key else []
    ordered = sorted(operation.query_parameters, key=lambda parameter: not parameter.required)
    named += [_query_argument(parameter) for parameter in ordered]
    arguments += ["*", *named] if named else []
    name, answer = snake_case(operation.name), operation.answer or "None"
    start = f"    {'async ' if is_async else ''}def {name}("
    signature = f"{start}{', '.join(arguments)}) -> {answer}:"
    if len(signature) > LINE_LENGTH:
        listed = "".join(f"        {argument},\n" for argument in arguments)
        signature = f"{start}\n{listed}    ) -> {answer}:"
    call = _call(operation)
    returned = f"{'await ' if is_async else ''}{call}"
    returned = f"return {returned}" if operation.answer else returned
    return f"{signature}\n{_docstring(_about(operation), '        ')}        {returned}\n"


def _query_argument(parameter: Parameter) -> str:
    kind = _type(parameter.schema)
    return f"{_argument(parameter)}: {kind}" if parameter.required else f"{_argument(parameter)}: {kind} | None = None"


def _argument(parameter: Parameter) -> str:
    return f"{parameter.name}_" if keyword.iskeyword(parameter.name) else parameter.name


def _call(operation: Operation) -> str:
    path, prefix = operation.path, ""
    for parameter in operation.path_parameters:
        path, prefix = path.replace(f"{{{parameter.name}}}", f"{{segment({parameter.name})}}"), "f"
    parts = [f'"{operation.method}"', f'{prefix}"{path}"', f"repeatable={operation.is_repeatable}"]
    parts += ["body=body"] if operation.body else []
    parts += ["idempotency_key=idempotency_key"] if operation.has_key else []
    if operation.query_parameters:
        parts.append(_query(operation.query_parameters))
    line = f"self._call({', '.join(parts)})"
    if "\n" not in line and len(line) + len("        return await ") <= LINE_LENGTH:
        return line
    return "self._call(\n" + "".join(f"            {part},\n" for part in parts) + "        )"


def _query(parameters: "tuple[Parameter, ...]") -> str:
    pairs = [f'"{parameter.name}": {_argument(parameter)}' for parameter in parameters]
    line = f"query={{{', '.join(pairs)}}}"
    if len(line) + len("            ,") <= LINE_LENGTH:
        return line
    return "query={\n" + "".join(f"                {pair},\n" for pair in pairs) + "            }"


def _about(operation: Operation) -> str:
    """The description, with that of the query's parameters."""
    described = [f"`{_argument(parameter)}`: {parameter.description}" for parameter in operation.query_parameters]
    return "\n\n".join([operation.description, *([("\n".join(described))] if described else [])])


def _comment(text: str) -> str:
    lines = textwrap.wrap(" ".join(text.split()), LINE_LENGTH - 10)
    return "".join(f"        # {line}\n" for line in lines)


def _docstring(text: str, indent: str) -> str:
    """A docstring, wrapped anew."""
    if not text:
        return ""
    escaped = text.replace("\\", "\\\\").replace('"""', "'''")
    width = LINE_LENGTH - len(indent) - len('"""')
    parts = [[line for item in _items(part) for line in textwrap.wrap(item, width)] for part in escaped.split("\n\n")]
    body = "\n\n".join("\n".join(lines) for lines in parts)
    if "\n" not in body and len(body) <= width - len('"""') and not body.endswith('"'):
        return f'{indent}"""{body}"""\n'
    shifted = "\n".join(f"{indent}{line}" if line else "" for line in body.split("\n"))
    return f'{indent}"""{shifted.lstrip()}\n{indent}"""\n'


def _items(paragraph: str) -> "list[str]":
    """The items of a list, or the whole paragraph, each without line breaks."""
    return [" ".join(item.split()) for item in re.split(r"\n(?=- |`\w+`: )", paragraph)]
