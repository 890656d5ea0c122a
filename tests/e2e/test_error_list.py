"""The list of errors against the sources: each code that can be answered is in it, with its status, and no other is.

It reads how the sources are written, and fails where they make a code in a way that it does not know.
"""

import http
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from weir_e2e.system import REPOSITORY

Codes = dict[str, set[int]]

CODE = re.compile(r'"([a-z]+(?:_[a-z]+)+)"')
# Where a code is chosen apart from its error, with the functions that do.
CHOOSERS = {
    "filters/core/llm/src/error/provider.rs": ("client_code", "protocol"),
    "filters/core/metering/src/filter.rs": ("fill_in",),
    "filters/core/metering/src/outcome.rs": ("verdict", "code_of_status"),
    "filters/core/provider/src/answer.rs": ("recorded_code",),
}
# Names of the standard library of Rust that Python has otherwise.
STATUSES = {"PAYLOAD_TOO_LARGE": 413}


def listed(title: str) -> Codes:
    """The codes in the table below this heading, with their statuses."""
    text = (REPOSITORY / "docs/errors.md").read_text()
    section = text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("| `")]
    codes = {row[0].strip("`"): {int(number) for number in re.findall(r"\d{3}", row[1])} for row in rows}
    assert len(codes) == len(rows) > 0, f"a code stands twice under {title}"
    assert all(all(row) for row in rows), f"an empty cell under {title}"
    return codes


def filter_sources() -> Iterator[tuple[Path, str]]:
    """The filters' sources without their tests."""
    for path in sorted((REPOSITORY / "filters").rglob("src/**/*.rs")):
        if "tests" not in path.parts and path.name != "tests.rs":
            yield path, path.read_text().split("#[cfg(test)]")[0]


def function(text: str, name: str) -> str:
    """A function's text, to the brace that ends it."""
    begin = re.search(rf"^( *)(?:pub(?:\([a-z]+\))? )?fn {name}\b", text, re.MULTILINE)
    assert begin, f"there is no function {name}"
    return text[begin.start() :].split(f"\n{begin[1]}}}\n", 1)[0]


def codes_of_filters() -> Codes:
    """What filters answer, or write into records."""
    codes: Codes = defaultdict(set)
    for path, text in filter_sources():
        name = path.relative_to(REPOSITORY).as_posix()
        chosen = "".join(function(text, chooser) for chooser in CHOOSERS.get(name, ()))
        for code in CODE.findall(chosen):
            codes[code] |= set()
        for status, code in re.findall(r'ClientError::new\(\s*(\w+),\s*("?\w+"?),', text):
            if code.isupper():
                code = re.search(rf'const {code}: &str = ("\w+");', text)[1]
            if not code.startswith('"'):
                assert re.search(rf"ClientError::new\(\s*{status},\s*{code},", chosen), f"{name}: where is {code} from?"
                continue
            codes[code.strip('"')].add(int(status))
        # Answers that are written without one.
        for reply in re.findall(r"Reply \{[^{}]*\bstatus: (\d+),(.*?)\n +\}\)", text, re.DOTALL):
            for code in re.findall(r'code: "(\w+)"', reply[1]):
                codes[code].add(int(reply[0]))
    return codes


def codes_of_envoy() -> Codes:
    """What Envoy answers by itself."""
    codes: Codes = defaultdict(set)
    text = (REPOSITORY / "envoy/bootstrap.yaml").read_text()
    for mapper in text.split("- filter:\n")[1:]:
        # Gemini's clients read it as the reason.
        code = re.search(r'"(?:code|reason)":"(\w+)"', mapper)[1]
        statuses = re.findall(r"response\.code == (\d+)|status_code: (\d+)", mapper)
        codes[code] |= {int(one or other) for one, other in statuses}
    return codes


def codes_of_admin_api() -> Codes:
    """What the admin API answers."""
    text = (REPOSITORY / "control-plane/api/src/problem.rs").read_text()
    codes: Codes = {}
    for variants, status in re.findall(r"((?:Self::\w+[\s|]*)+)=> StatusCode::(\w+)", function(text, "status")):
        for variant in re.findall(r"Self::(\w+)", variants):
            code = re.sub(r"(?<!^)([A-Z])", r"_\1", variant).lower()
            codes[code] = {STATUSES.get(status) or http.HTTPStatus[status].value}
    return codes


def check(found: Codes, table: Codes) -> None:
    assert found.keys() - table.keys() == set(), "these can be answered and are not listed"
    assert table.keys() - found.keys() == set(), "these are listed and nobody answers them"
    missing = {code: statuses - table[code] for code, statuses in found.items() if not statuses <= table[code]}
    assert not missing, f"answered with statuses that are not listed: {missing}"


def test_what_the_gateway_answers_is_listed():
    found = codes_of_filters()
    assert len(found) > 25, found
    for code, statuses in codes_of_envoy().items():
        found[code] = found.get(code, set()) | statuses
    records = {code: set() for code in listed("In usage records")}
    answered = listed("At the gateway")
    assert not records.keys() & answered.keys()
    check(found, answered | records)
    assert not any(found[code] for code in records), "these are answered too"


def test_what_the_admin_api_answers_is_listed():
    found = codes_of_admin_api()
    text = (REPOSITORY / "control-plane/api/src/problem.rs").read_text()
    assert len(found) == function(text, "title").count("=>")
    table = listed("At the admin API")
    check(found, table)
    assert found == table
