# Keybearer as a sidecar or a team's gateway: numeric user, read-only root, any uid, nothing but the Python base and one virtual environment.
ARG PYTHON_VERSION=3.11
ARG DEBIAN_RELEASE=bookworm

# The full image, for it has the C compiler and Python's headers; the same Python lies at the same place in the slim one.
FROM python:${PYTHON_VERSION}-${DEBIAN_RELEASE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# Two environments: the tools that build never reach the image, and the one that does holds no pip.
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/keybearer
# gateway.txt holds what run.txt does, and what clients, rates and TLS listeners need beside it.
COPY requirements/build.txt requirements/compile.txt requirements/gateway.txt /src/requirements/
RUN /build/bin/pip install --require-hashes --only-binary :all: \
      -r /src/requirements/build.txt -r /src/requirements/compile.txt \
 && /build/bin/pip --python /opt/keybearer/bin/python install --require-hashes --only-binary :all: --no-compile \
      -r /src/requirements/gateway.txt
COPY pyproject.toml README.md LICENSE /src/
COPY proxy /src/proxy
# unchecked-hash: valid whatever the file times become in a layer, and no look at the sources at start.
RUN HATCH_BUILD_HOOKS_ENABLE=1 /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /src/dist /src \
 && /build/bin/pip --python /opt/keybearer/bin/python install --no-deps --no-index --no-compile /src/dist/*.whl \
 && /opt/keybearer/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/keybearer/lib

FROM python:${PYTHON_VERSION}-slim-${DEBIAN_RELEASE}
LABEL org.opencontainers.image.title="keybearer" \
      org.opencontainers.image.description="A local authenticating reverse proxy: tools call it without a token, the API gets the right one." \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/keybearer /opt/keybearer
# KEYBEARER_CONFIG is for the commands that are given no -c: the health check, and `docker exec … keybearer check`.
ENV PATH=/opt/keybearer/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    KEYBEARER_CONFIG=/etc/keybearer/config.yaml
# A number, so that Kubernetes' runAsNonRoot can tell; any other uid works as well.
USER 65532:65532
WORKDIR /etc/keybearer
EXPOSE 8484
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=3s --start-period=10s --retries=3 CMD ["keybearer", "healthcheck"]
ENTRYPOINT ["keybearer"]
CMD ["run", "-c", "/etc/keybearer/config.yaml"]
