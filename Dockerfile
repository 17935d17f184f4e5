# syntax=docker/dockerfile:1
# docker build --tag latchkey .
#
# Both stages are Debian with its own Python, so the installed packages meet the interpreter that they
# were installed for. `python3 -m scripts.dockerfile` runs these instructions without a container
# engine.

FROM debian:trixie-slim AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/latchkey
WORKDIR /src
COPY requirements.lock ./
RUN ["/opt/latchkey/bin/pip", "install", "--no-cache-dir", "--only-binary=:all:", "--require-hashes", "--requirement=requirements.lock"]
COPY pyproject.toml README.md LICENSE ./
COPY app ./app
COPY migrations ./migrations
COPY scripts ./scripts
RUN ["/opt/latchkey/bin/pip", "install", "--no-cache-dir", "--no-deps", "--no-build-isolation", "."]
RUN ["/opt/latchkey/bin/pip", "uninstall", "--yes", "hatchling", "editables", "pathspec", "pluggy", "trove-classifiers", "pip"]

FROM debian:trixie-slim
LABEL org.opencontainers.image.title="Latchkey" \
      org.opencontainers.image.description="An OAuth2 authorization server" \
      org.opencontainers.image.licenses="MIT"
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-log-init --no-create-home \
       --home-dir /nonexistent --shell /usr/sbin/nologin latchkey
COPY --from=build /opt/latchkey /opt/latchkey
# Nothing below is run by a shell, and nothing is written: the root file system can be read-only.
ENV PATH=/opt/latchkey/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python3", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["latchkey"]
CMD ["serve", "--host", "0.0.0.0"]
