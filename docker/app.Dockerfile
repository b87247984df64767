# The front end and the fetch worker: no torch, no compiler.
FROM python:3.11.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
WORKDIR /build
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY fiberless ./fiberless
RUN /opt/venv/bin/pip install --no-cache-dir ".[server,frames]"

FROM python:3.11.13-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
RUN groupadd --system --gid 10001 fiberless \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /tmp fiberless \
    && install --directory --owner=10001 --group=10001 --mode=0750 /var/lib/fiberless
COPY --from=build /opt/venv /opt/venv
WORKDIR /srv/fiberless
COPY app ./app
COPY examples ./examples
COPY worker ./worker
RUN python -m compileall -q app worker
USER 10001:10001
EXPOSE 8000
CMD ["python", "-m", "app"]
