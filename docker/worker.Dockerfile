# The model worker. torch's wheel brings CUDA along; the driver comes from the host.
FROM python:3.11.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
WORKDIR /build
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY fiberless ./fiberless
RUN /opt/venv/bin/pip install --no-cache-dir ".[model,server]"

FROM python:3.11.13-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH \
    HF_HUB_OFFLINE=1 \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
RUN groupadd --system --gid 10001 fiberless \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /tmp fiberless \
    && install --directory --owner=10001 --group=10001 --mode=0750 /var/lib/fiberless
COPY --from=build /opt/venv /opt/venv
WORKDIR /srv/fiberless
COPY worker ./worker
RUN python -m compileall -q worker
USER 10001:10001
CMD ["python", "-m", "worker", "predict"]
