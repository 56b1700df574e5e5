"""Holds requests to GitHub and their answers against the description that GitHub publishes of its API.

Takes what `GET /_github` of a world tells as a file, prints what is wrong, and fails if anything is.
`script/bootstrap test` puts the description beside the clients.
"""

import functools
import json
import pathlib
import re
import sys
import urllib.parse

try:
    from jsonschema import Draft4Validator, FormatChecker
    from referencing import Registry
    from referencing.jsonschema import DRAFT4
except ModuleNotFoundError:
    raise SystemExit("this test needs jsonschema; name an interpreter that has it in GREENLIGHT_PYTHON")

# description: @octokit/openapi@23.0.2
DESCRIPTION = pathlib.Path(sys.prefix) / "github/api.github.com.json"
ADDRESS = "urn:description"
# GitHub's `uri` is also a template.
FORMATS = FormatChecker(["date-time"])


def as_json_schema(value):
    """What OpenAPI 3.0 writes otherwise than JSON Schema."""
    if isinstance(value, list):
        return [as_json_schema(item) for item in value]
    if not isinstance(value, dict):
        return value
    members = {name: as_json_schema(member) for name, member in value.items()}
    if members.pop("nullable", None) is True:
        return {"anyOf": [members, {"type": "null"}]}
    return members


class Description:
    def __init__(self):
        try:
            document = json.loads(DESCRIPTION.read_text())
        except FileNotFoundError:
            raise SystemExit(f"there is no {DESCRIPTION}; run script/bootstrap test")
        self.document = {"paths": {}, "components": {}}
        self.document["components"] = as_json_schema(
            {name: part for name, part in document["components"].items() if name != "examples"}
        )
        # Of the rest nothing is asked here.
        for path, item in document["paths"].items():
            if path.startswith("/repos/{owner}/{repo}"):
                self.document["paths"][path] = as_json_schema(item)
        self.registry = Registry().with_resource(ADDRESS, DRAFT4.create_resource(self.document))

    def operation(self, method, path):
        """The template and the operation; of several that fit, with the fewest open segments."""
        fitting = [
            template
            for template, item in self.document["paths"].items()
            if method in item and segments(template, path) is not None
        ]
        if not fitting:
            return None
        template = min(fitting, key=lambda template: template.count("{"))
        return template, self.document["paths"][template][method]

    def resolved(self, value):
        while "$ref" in value:
            found = self.document
            for part in value["$ref"].removeprefix("#/").split("/"):
                found = found[part.replace("~1", "/").replace("~0", "~")]
            value = found
        return value

    @functools.cache
    def validator(self, *pointer):
        fragment = "/".join(urllib.parse.quote(p.replace("~", "~0").replace("/", "~1"), safe="~") for p in pointer)
        return Draft4Validator({"$ref": f"{ADDRESS}#/{fragment}"}, registry=self.registry, format_checker=FORMATS)

    def hold(self, what, value, *pointer):
        for error in self.validator(*pointer).iter_errors(value):
            for error in [error, *(error.context or [])]:
                place = "".join(f"/{part}" for part in error.absolute_path)
                yield f"{what}{place}: {error.message[:300]}"

    def faults(self, exchange):
        method = exchange["method"].lower()
        url = urllib.parse.urlsplit(exchange["path"])
        path = url.path.removeprefix("/api/v3")
        found = self.operation(method, path)
        if found is None:
            yield "is no operation of GitHub's"
            return
        template, operation = found
        if exchange["operation"] != operation["operationId"]:
            yield f"is {operation['operationId']}, and not {exchange['operation']}"
        yield from self.parameters(operation, segments(template, path), urllib.parse.parse_qsl(url.query))

        here = ("paths", template, method)
        sent = exchange["sent"]
        body = operation.get("requestBody")
        if body is None:
            if sent is not None:
                yield "takes no body"
        elif sent is None:
            if body.get("required"):
                yield "has no body"
        else:
            pointer = (*here, "requestBody", "content", "application/json", "schema")
            yield from self.hold("sent", sent, *pointer)
            yield from self.unknown("sent", sent, body["content"]["application/json"]["schema"])

        status = str(exchange["status"])
        if status not in operation["responses"]:
            yield f"is not answered by {status}"
            return
        response = operation["responses"][status]
        pointer = (*here, "responses", status)
        if "$ref" in response:
            pointer = tuple(response["$ref"].removeprefix("#/").split("/"))
            response = self.resolved(response)
        content = response.get("content", {}).get("application/json")
        if content is not None:
            yield from self.hold("answered", exchange["answered"], *pointer, "content", "application/json", "schema")
        elif exchange["answered"] is not None and status.startswith("2"):
            yield "is answered without a body"

    def parameters(self, operation, path, query):
        known = {(p["name"], p["in"]): p for p in map(self.resolved, operation.get("parameters", []))}
        given = [*((name, value, "path") for name, value in path), *((name, value, "query") for name, value in query)]
        for name, value, place in given:
            if (name, place) not in known:
                yield f"takes no parameter {name}"
                continue
            schema = self.resolved(known[name, place]["schema"])
            if schema.get("type") == "integer":
                value = int(value) if re.fullmatch(r"-?\d+", value) else value
            for error in Draft4Validator(schema, registry=self.registry).iter_errors(value):
                yield f"parameter {name}: {error.message}"
        for (name, place), parameter in known.items():
            if parameter.get("required") and not any((n, p) == (name, place) for n, _, p in given):
                yield f"lacks the parameter {name}"

    def unknown(self, at, value, schema):
        """GitHub passes over what it doesn't know, so that one of ours would be a mistake."""
        schema = self.resolved(schema)
        if isinstance(value, list) and "items" in schema:
            for item in value:
                yield from self.unknown(at, item, schema["items"])
        if not isinstance(value, dict) or "properties" not in schema:
            return
        for name, member in value.items():
            if name not in schema["properties"]:
                yield f"{at}/{name}: not in the description"
            else:
                yield from self.unknown(f"{at}/{name}", member, schema["properties"][name])


def segments(template, path):
    """What a template's open segments hold, or None if it doesn't fit."""
    template, path = template.split("/"), path.split("/")
    if len(template) != len(path):
        return None
    open = []
    for wanted, given in zip(template, path):
        if wanted.startswith("{"):
            open.append((wanted.strip("{}"), urllib.parse.unquote(given)))
        elif wanted != given:
            return None
    return open


def main():
    description = Description()
    faults = set()
    with open(sys.argv[1]) as file:
        for exchange in json.load(file):
            for fault in description.faults(exchange):
                faults.add(f"{exchange['method']} {exchange['path']} -> {exchange['status']} {fault}")
    if faults:
        raise SystemExit("\n".join(sorted(faults)))


main()
