#!/bin/sh
# Makes .venv what uv.lock says, and does nothing when it already is. Usage: dev-tools/bootstrap.sh [dev|demo|bench]
#
# Needs Python 3.11 or later, git and a network to the package index. uv is taken from PATH, or put into .tools.
# PYTHON names the interpreter to use; without it an existing .venv keeps its own, and a new one gets the first found.
set -eu

UV_VERSION=0.13.9
GROUP=${1:-dev}
cd "$(dirname "$0")/.."
STAMP=.venv/ibex-stamp

# Nobody's Python, virtual environment or certificates but this machine's.
unset VIRTUAL_ENV PYTHONHOME PYTHONPATH UV_PYTHON UV_FROZEN UV_NO_DEV
export UV_PYTHON_DOWNLOADS=never
export UV_PROJECT_ENVIRONMENT="$PWD/.venv"
# Trust what the system trusts, a company's own authority included. The second is what older versions call it.
export UV_SYSTEM_CERTS=true UV_NATIVE_TLS=true
export PIP_DISABLE_PIP_VERSION_CHECK=1

die() {
    printf 'ibex: %s\n' "$*" >&2
    exit 1
}

# Whether $1 runs and is recent enough. A version manager's shim may be there and refuse to run.
usable() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        usable "$PYTHON" || die "PYTHON=$PYTHON is not a Python 3.11 or later"
        echo "$PYTHON"
        return
    fi
    for candidate in .venv/bin/python python3 python3.12 python3.13 python3.14 python3.11 python; do
        if usable "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    die "Python 3.11 or later is needed, and no python3 on PATH is one. Name one: make PYTHON=/path/to/python3 ..."
}

# What the environment was made from: the same words mean that there is nothing to do.
fingerprint() {
    echo "$PWD"
    "$1" -c 'import sys; print(sys.version)'
    cat uv.lock pyproject.toml dev-tools/pyproject.toml dev-tools/bootstrap.sh | cksum
}

# Runs pip with these arguments; where that fails, once more with the system's certificates: older versions of pip
# bring their own, and know nothing of a company's authority.
pip_install() {
    "$@" && return
    for bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
        if [ -z "${PIP_CERT:-}" ] && [ -f "$bundle" ]; then
            PIP_CERT=$bundle "$@" && return
        fi
    done
    die "pip could not install uv: see above. Or put uv on PATH."
}

# uv in .tools, by venv or, where Debian has split ensurepip off, by a pip that is there already.
install_uv() {
    echo "ibex: no recent uv on PATH: installing uv $UV_VERSION into .tools" >&2
    rm -rf .tools
    if "$1" -m venv .tools >/dev/null 2>&1; then
        pip_install .tools/bin/python -m pip install --quiet "uv==$UV_VERSION" >&2
    elif rm -rf .tools && "$1" -m pip --version >/dev/null 2>&1; then
        pip_install "$1" -m pip install --quiet --target .tools "uv==$UV_VERSION" >&2
    else
        die "$1 has neither venv nor pip. On Debian and Ubuntu: apt-get install python3-venv. Or put uv on PATH."
    fi
}

# Whether the uv on PATH is recent enough to read pyproject.toml and uv.lock.
recent_uv() {
    version=$(uv --version 2>/dev/null) || return 1
    "$1" -c 'import sys; sys.exit(tuple(map(int, sys.argv[2].split(".")[:2])) < (0, 9))' $version 2>/dev/null
}

find_uv() {
    if recent_uv "$1"; then
        echo uv
        return
    fi
    if [ "$(.tools/bin/uv --version 2>/dev/null | cut -d' ' -f2)" != "$UV_VERSION" ]; then
        install_uv "$1"
    fi
    echo .tools/bin/uv
}

python=$(find_python)
wanted=$(fingerprint "$python")
made=$(sed 1d "$STAMP" 2>/dev/null || true)
groups=$(sed 1q "$STAMP" 2>/dev/null || true)
# What was asked for once stays: another target does not take it away again.
kept=$groups
groups=dev
for group in demo bench; do
    case " $kept $GROUP " in *" $group "*) groups="$groups $group" ;; esac
done
if [ "$wanted" = "$made" ] && [ "$groups" = "$(sed 1q "$STAMP")" ]; then
    exit 0
fi

uv=$(find_uv "$python")
rm -f "$STAMP"
set -- sync --locked --python "$python"
for group in $groups; do
    set -- "$@" --group "$group"
done
"$uv" "$@" || die "uv could not make the environment: see above"
case "$groups" in *bench*)
    # The service as production installs it, and what it is compared with, each without the other's libraries.
    for other in "production --no-dev" "peers --only-group peers"; do
        set -- $other
        name=$1
        shift
        UV_PROJECT_ENVIRONMENT="$PWD/.venv-bench/$name" "$uv" sync --locked --compile-bytecode --python "$python" "$@" ||
            die "uv could not make the environment of the bench: see above"
    done
    ;;
esac
# The environment may have got another Python than it had.
wanted=$(fingerprint .venv/bin/python)
printf '%s\n%s\n' "$groups" "$wanted" >"$STAMP"
