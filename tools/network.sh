# Sourced by the Makefile: sets where packages come from. pip and uv read different variables, so copy the one that is set
# to the other; pip.conf counts too. If nothing is set, each tool uses its own default.
#   index:      PIP_INDEX_URL, UV_DEFAULT_INDEX or UV_INDEX_URL, pip.conf
#   wheels:     UV_FIND_LINKS or PIP_FIND_LINKS, pip.conf
#   private CA: SSL_CERT_FILE or PIP_CERT
#   proxy:      HTTPS_PROXY, HTTP_PROXY, NO_PROXY (both tools read them)
# shellcheck shell=bash
index="${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-}}}"
if [ -z "$index" ] && [ -x .venv/bin/python ]; then
  index="$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)"
fi
if [ -n "$index" ]; then
  export UV_DEFAULT_INDEX="$index" PIP_INDEX_URL="${PIP_INDEX_URL:-$index}"
  unset UV_INDEX_URL
fi
if [ -n "${PIP_EXTRA_INDEX_URL:-}" ] && [ -z "${UV_INDEX:-${UV_EXTRA_INDEX_URL:-}}" ]; then
  export UV_INDEX="$PIP_EXTRA_INDEX_URL"
fi
wheels="${UV_FIND_LINKS:-${PIP_FIND_LINKS:-}}"
if [ -z "$wheels" ] && [ -x .venv/bin/python ]; then
  wheels="$(.venv/bin/python -m pip config get global.find-links 2>/dev/null || true)"
fi
if [ -n "$wheels" ]; then
  export UV_FIND_LINKS="${wheels//[[:space:]]/,}"
fi
certificates="${SSL_CERT_FILE:-${PIP_CERT:-}}"
if [ -n "$certificates" ]; then
  export SSL_CERT_FILE="$certificates" PIP_CERT="${PIP_CERT:-$certificates}"
fi
