"""What libraries make anew for each application or client, although it is always the same."""

import os
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import Any, get_args

import httpcore2
import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter


@contextmanager
def made_once() -> Generator[None]:
    """Within it all clients trust the certificates that were read once, unless the environment
    names others, and all applications share what checks a model that answers.

    Both are only read. Together they took a fifteenth of the time of the whole suite.
    """
    read_certificates = cache(httpcore2.default_ssl_context)

    def trust(*, _trust_env: bool = True) -> ssl.SSLContext:
        if _trust_env and {"SSL_CERT_FILE", "SSL_CERT_DIR"} & os.environ.keys():
            return httpcore2._ssl.default_ssl_context()
        return read_certificates(_trust_env=False)

    adapters: dict[object, TypeAdapter[Any]] = {}

    def adapt(annotated: Any, *, config: ConfigDict | None = None) -> TypeAdapter[Any]:
        model, *rest = get_args(annotated)
        of_a_model = isinstance(model, type) and issubclass(model, BaseModel)
        if config is not None or not of_a_model:
            return TypeAdapter(annotated, config=config)
        key = model, repr(rest)
        if key not in adapters:
            adapters[key] = TypeAdapter(annotated)
        return adapters[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpcore2.default_ssl_context", trust)
        patch.setattr("fastapi._compat.v2.TypeAdapter", adapt)
        yield
