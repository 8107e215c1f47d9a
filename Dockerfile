# The Wyoming server for Home Assistant, without PyTorch: docker build -t speech-lstm . && docker run -p 10400:10400 speech-lstm
# Other commands: docker run -i speech-lstm classify - < word.wav
FROM python:3.11-slim AS build
COPY . /src
RUN python -m venv /opt/speech-lstm \
 && /opt/speech-lstm/bin/pip install --no-cache-dir --constraint /src/constraints.txt '/src[wyoming,mqtt]'

FROM python:3.11-slim
COPY --from=build /opt/speech-lstm /opt/speech-lstm
ENV PATH=/opt/speech-lstm/bin:$PATH
USER 10001:10001
EXPOSE 10400
ENTRYPOINT ["speech-lstm"]
CMD ["serve", "--wyoming", "tcp://0.0.0.0:10400"]
