# attic on a machine with an NVIDIA GPU. PyTorch's wheels bring CUDA's libraries; the base image tells the driver what they need.
#
#   docker build -t attic . && mkdir -p runs
#   docker run --rm --gpus all --user "$(id -u)" -v attic-cache:/cache -v "$PWD/runs:/attic/runs" attic \
#     papermill nbs/run_experiment.ipynb runs/masculine.ipynb -p attr masculine -p profile standard
#   docker run --rm --gpus all -p 127.0.0.1:8888:8888 -v attic-cache:/cache attic     # JupyterLab; it prints its address
#
# The paper's data are looked for in /data: add -v "$HOME/attic-data:/data"
FROM nvidia/cuda:13.0.1-base-ubuntu24.04

ENV DEBIAN_FRONTEND=noninteractive PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1 \
    PATH=/venv/bin:$PATH HOME=/workspace USER=attic ATTIC_CACHE=/cache ATTIC_DATA=/data
RUN apt-get update && apt-get install -y --no-install-recommends git rsync python3 python3-venv && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /venv && useradd attic && mkdir -p /cache /data /attic/runs $HOME && chmod 1777 /cache /data /attic/runs $HOME

WORKDIR /attic
# what changes rarely comes first: the dependencies stay when only the code is new
COPY settings.ini setup.py README.md constraints.txt ./
RUN pip install -c constraints.txt '.[dev]' && pip uninstall -y attic-ranker
COPY . .
RUN pip install --no-deps -e .

USER attic
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser"]
