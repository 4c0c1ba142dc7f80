"""For scripts/schemathesis: what JSON Schema cannot say, and waits that would outlast the run."""

import re

import schemathesis

# A read that waits is answered when something changes. Here nothing does, so that each would wait for minutes. That a
# wait lasts as long as it should, and no longer, is held by tests/it/http_wait.rs.
WAIT = "20ms"
WAIT_MAX_MS = 600_000
UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


def written_whole(value):
    """To JSON Schema 8080.0 is a whole number. The API takes only numbers that are written whole: who sends 8080.0 has
    lost the type somewhere."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**64:
        return int(value)
    if isinstance(value, list):
        return [written_whole(item) for item in value]
    if isinstance(value, dict):
        return {name: written_whole(item) for name, item in value.items()}
    return value


@schemathesis.hook
def map_body(context, body):
    return written_whole(body)


def is_wait(value):
    """Whether it is a good wait, which may be made shorter and stays good. A wrong one is left as it is."""
    if isinstance(value, bool):
        return False
    if isinstance(value, (int, float)):
        return 0 <= value * 1000 <= WAIT_MAX_MS
    if not isinstance(value, str):
        return False
    found = re.fullmatch(r"([0-9]+)(ms|s|m|h)", value, re.ASCII)
    return found is not None and int(found[1]) * UNITS_MS[found[2]] <= WAIT_MAX_MS


@schemathesis.hook
def before_call(context, case, kwargs):
    query = case.query
    if query and "index" in query and is_wait(query.get("wait", WAIT)):
        query["wait"] = WAIT
