"""For scripts/schemathesis: what JSON Schema cannot say.

To JSON Schema 8080.0 is a whole number. The API takes only numbers that are written whole: who sends 8080.0 has lost the
type somewhere.
"""

import schemathesis


def written_whole(value):
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, list):
        return [written_whole(item) for item in value]
    if isinstance(value, dict):
        return {name: written_whole(item) for name, item in value.items()}
    return value


@schemathesis.hook
def map_body(context, body):
    return written_whole(body)
