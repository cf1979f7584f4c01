FROM python:3.12-slim
RUN useradd --create-home psyllm && mkdir /data && chown psyllm /data
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY config config
COPY adapters adapters
COPY engine engine
COPY bot bot
RUN pip install --no-cache-dir -c constraints.txt '.[postgres]'
USER psyllm
ENV PSYLLM_DATA_DIR=/data PSYLLM_WEB__HOST=0.0.0.0
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=5)"]
CMD ["psyllm", "run"]
