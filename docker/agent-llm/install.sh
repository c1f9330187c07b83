#!/bin/sh
# Install the libraries for models into /app/llm: install.sh INDEX, in the folder of this file.
# The virtual environment gets no pip, which runs out of its wheel; the bundle of the base has a company's CAs, if any.
set -eu
index=$1
wheel=$(mktemp -d)/pip.whl
python3 -m venv --without-pip /app/llm
python3 fetch-pip pip.txt "$index" "$wheel"
PIP_INDEX_URL=$index PIP_CERT=/etc/ssl/certs/ca-certificates.crt /app/llm/bin/python "$wheel/pip" install --quiet \
  --no-cache-dir --disable-pip-version-check --no-deps --no-compile --require-hashes --only-binary :all: -r requirements.txt
rm -r "$(dirname "$wheel")"
echo /app/lib >"$(/app/llm/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/alvps.pth"

# Compiled once here, without a check of the sources' times: thousands of modules are part of every run's start.
# -b puts each .pyc beside its .py; the .py files then go, for they are half of the image and never read.
find /app/llm/lib -type d -name tests -prune -exec rm -rf {} +
python3 -m compileall -q -b -j 0 --invalidation-mode unchecked-hash /app/llm/lib
find /app/llm/lib \( -name '*.py' -o -name '*.pyi' \) -delete
find /app/llm/lib -name __pycache__ -prune -exec rm -rf {} +
chmod -R u=rwX,go=rX /app/llm
