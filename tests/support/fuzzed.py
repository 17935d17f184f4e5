"""What hostile clients send: made up by Hypothesis, and whether it was refused properly."""

from base64 import b64encode
from urllib.parse import quote_plus

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from starlette.requests import Request


def examples(count: int) -> settings:
    return settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


PARSED = examples(300)


SENT = examples(60)


texts = st.text(max_size=30)


header_bytes = st.lists(
    st.one_of(st.integers(32, 126), st.integers(128, 255), st.just(9)), max_size=60
).map(bytes)


basic_credentials = st.one_of(
    header_bytes,
    st.binary(max_size=60).map(b64encode),
    st.tuples(texts, texts).map(lambda pair: b64encode(":".join(map(quote_plus, pair)).encode())),
    st.tuples(texts, texts).map(lambda pair: b64encode(":".join(pair).encode("utf-8"))),
)


def request_with(authorization: bytes) -> Request:
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "headers": [(b"authorization", authorization)],
        }
    )


REFUSED = range(400, 500)
