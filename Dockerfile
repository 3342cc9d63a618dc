# The runtime with its example agents.  Build: docker build -t bulkhead .
#
# Targets: runtime-slim, to build agents on, without examples and engine; runtime, which is what is built if none is
# named; runtime-shell, to look around in, with curl, git, less and procps.  .ci/docker-bake.hcl builds all.

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN apt-get update && apt-get install -y --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
RUN python -m venv --without-pip /opt/bulkhead
COPY requirements.lock /tmp/
# Without the packages' own tests and what only a debugger or a type checker reads: 30 MB less.
RUN python -m pip --python /opt/bulkhead/bin/python install --no-compile --no-deps --require-hashes \
      -r /tmp/requirements.lock \
 && cd /opt/bulkhead/lib/python*/site-packages \
 && find . -depth -type d -name tests -exec rm -r {} + \
 && find . -type f \( -name '*.pyi' -o -name '*.pxd' -o -name '*.pyx' \) -delete \
 && find . -type f -name '*.so' -exec strip --strip-debug {} +
WORKDIR /src
COPY pyproject.toml LICENSE ./
COPY runtime runtime
COPY agents agents
# The same wheel that a build makes, made without a build backend: nothing is fetched that has no hash in the lock.
RUN python -c "import pathlib; from runtime.cli.service import own_wheel; own_wheel.write(pathlib.Path('/tmp/wheels'))" \
 && python -m pip --python /opt/bulkhead/bin/python install --no-compile --no-deps --no-index /tmp/wheels/*.whl \
 && /opt/bulkhead/bin/python -m compileall -q -j 0 /opt/bulkhead/lib

# What carries messages between several machines; one needs none of it.
FROM python:3.13-slim AS engine
RUN apt-get update && apt-get install -y --no-install-recommends nats-server && rm -rf /var/lib/apt/lists/*

FROM python:3.13-slim AS runtime-slim
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=
ARG SOURCE=
ARG URL=
LABEL org.opencontainers.image.title="Bulkhead" \
      org.opencontainers.image.description="A runtime for AI agents: one supervised process per agent session" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.url="${URL}"

# The base has no bytecode of Python's own modules, nobody could write it later, and each interpreter would compile
# what it imports: half of the time until a server answers.
RUN python -m compileall -q -j 0 -x '/(site-packages|tests?|idlelib|tkinter|turtledemo|pydoc_data|ensurepip)/' \
      "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
# The state folder is for whatever user the container is given: each writes what only that user can read.
RUN groupadd --gid 10001 bulkhead \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/bulkhead --shell /usr/sbin/nologin bulkhead \
 && install -d -o 10001 -g 0 -m 1777 /var/lib/bulkhead /srv/bulkhead/front /srv/bulkhead/join
COPY --from=build /opt/bulkhead /opt/bulkhead
COPY LICENSE /opt/bulkhead/LICENSE
# Its second name, for who types it as MeshAgent has it; the real one is installed over it.
RUN cp /opt/bulkhead/bin/bulkhead /opt/bulkhead/bin/meshagent
RUN install -d /agents

# HOME: a user that is in no passwd file would have / for one.  PIP_PYTHON: what an image of agents installs goes to them.
ENV PATH=/opt/bulkhead/bin:$PATH \
    PIP_PYTHON=/opt/bulkhead/bin/python \
    PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
    HOME=/var/lib/bulkhead \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BULKHEAD_HOST=0.0.0.0 \
    BULKHEAD_AGENTS_DIR=/agents \
    BULKHEAD_STATE_DIR=/var/lib/bulkhead

USER 10001:10001
WORKDIR /var/lib/bulkhead
VOLUME /var/lib/bulkhead
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --start-interval=1s --retries=3 \
  CMD ["/opt/bulkhead/bin/python", "-ISc", "import http.client as h, os, sys; c = h.HTTPConnection('127.0.0.1', int(os.environ.get('BULKHEAD_PORT') or os.environ.get('MESHAGENT_PORT') or 8080), timeout=2); c.request('GET', '/readyz'); sys.exit(c.getresponse().status != 200)"]
# PID 1 is `bulkhead serve` itself: it forwards signals, reaps, and starts the front again when it dies.
ENTRYPOINT ["bulkhead", "serve"]

FROM runtime-slim AS runtime
COPY --from=engine /usr/sbin/nats-server /usr/sbin/nats-server
COPY agents /agents

FROM runtime AS runtime-shell
USER 0:0
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates curl git less procps \
 && rm -rf /var/lib/apt/lists/*
USER 10001:10001

FROM runtime
