# The daemon without a sound card: OSC by default.
#   docker build -t brainmusic .
#   docker run --rm --network host brainmusic                               OSC to 127.0.0.1 of this computer (Linux)
#   docker run --rm brainmusic run --set output.audio.enabled=false \
#       --set 'output.osc.targets=["host.docker.internal:57120"]'           the same with Docker Desktop
#   docker run --rm --network host -v "$PWD:/data" brainmusic run --config my.toml
#   docker run --rm -p 127.0.0.1:57180:57180 brainmusic run --set output.audio.enabled=false --set web.host=0.0.0.0
#       the page at http://127.0.0.1:57180/ of this computer; `docker exec CONTAINER brainmusic page` shows it with its #token=
#   docker run --rm -v "$PWD:/data" brainmusic render session.xdf --wav session.wav --controls session.csv
# LSL finds streams by multicast (UDP 16571) and carries them over TCP and UDP 16572-16604: only --network host lets that through.
# A serial headset needs --device=/dev/ttyUSB0 and --group-add dialout.

FROM python:3.13-slim AS build
RUN python -m venv /opt/brainmusic
ENV PATH=/opt/brainmusic/bin:$PATH
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY configs configs
COPY brainmusic_daemon brainmusic_daemon
RUN pip install --no-cache-dir -c constraints.txt .

FROM python:3.13-slim
# libportaudio2: outputs/audio.py imports with it, and sound works where a device or a PulseAudio socket is handed in.
# liblsl and BrainFlow's libraries come in their Python packages.
# Debian keeps no older versions: pinning a package would break the image with the next security update.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libportaudio2 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 brainmusic \
    && install -d -o brainmusic /data
COPY --from=build /opt/brainmusic /opt/brainmusic
ENV PATH=/opt/brainmusic/bin:$PATH PYTHONUNBUFFERED=1
# In numbers, so that a host that forbids root can check it.
USER 1000:1000
WORKDIR /data
STOPSIGNAL SIGTERM
# The page, where web.host lets it be reached; inside, it listens at 127.0.0.1, which no -p reaches.
EXPOSE 57180/tcp
# Fails when ticks stand still, an output is lost, or nobody answers: what /healthz says, over the control socket.
# The first start compiles the synth. Docker itself only shows the result: an unhealthy container is not started anew.
HEALTHCHECK --interval=15s --timeout=10s --start-period=5m CMD ["brainmusic", "status", "--healthy"]
ENTRYPOINT ["brainmusic"]
CMD ["run", "--set", "output.audio.enabled=false"]
