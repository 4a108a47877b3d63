#!/usr/bin/env bash
# A real S3 server without a container, for tests and benchmarks: Versity's gateway on a folder.
#
#   scripts/s3.sh install        build the server into .cache/s3 (Go 1.24 or later; once)
#   scripts/s3.sh start [port]   start it on 127.0.0.1 (default port 7070), with a bucket nascar,
#                                and print its address
#   scripts/s3.sh stop           stop it and throw its data away
#   scripts/s3.sh halt           stop it at once and keep its data (it has gone away)
#   scripts/s3.sh resume         start it again on the kept data
#   scripts/s3.sh status         say whether it runs; exit code 3 if not
#
# NASCAR_S3_HOME     folder of the server's data (default: a folder under the system's own for
#                    temporary files)
# NASCAR_S3_ADDRESS  address to listen on (default 127.0.0.1)
# AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY  what it is opened with (needed by start and resume)
set -euo pipefail
project="$(cd "$(dirname "$0")/.." && pwd)"
version=v1.8.0 # of the Go module, whose content Go's own record of checksums holds
programs="$project/.cache/s3/$version"
home="${NASCAR_S3_HOME:-${TMPDIR:-/tmp}/nascar-s3-$(id -u)}"
address="${NASCAR_S3_ADDRESS:-127.0.0.1}"

fail() { echo "s3.sh: $1" >&2; exit "${2:-1}"; }

runs() {
    # A process id alone may be another program's by now.
    [ -f "$home/pid" ] && tr '\0' ' ' 2>/dev/null <"/proc/$(cat "$home/pid")/cmdline" | grep -qF -- "$home/buckets"
}

install() {
    [ -x "$programs/versitygw" ] && return 0
    command -v go >/dev/null || fail "Go is not installed (1.24 or later): the S3 server is built with it."
    # Under a name of its own until it is whole.
    draft="$(mkdir -p "$project/.cache/s3" && mktemp -d "$project/.cache/s3/draft-XXXXXX")"
    trap 'rm -rf "$draft"' EXIT
    GOBIN="$draft" GOFLAGS="-buildvcs=false" go install "github.com/versity/versitygw/cmd/versitygw@$version" ||
        fail "The S3 server could not be built."
    mkdir -p "$programs"
    mv "$draft/versitygw" "$programs/versitygw"
}

launch() {
    local port pid tries
    [ -x "$programs/versitygw" ] || fail "The S3 server is not installed; run: bash scripts/s3.sh install"
    [ -n "${AWS_ACCESS_KEY_ID:-}" ] && [ -n "${AWS_SECRET_ACCESS_KEY:-}" ] ||
        fail "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY." 2
    port="$(cat "$home/port")"
    # By the environment: a command line is open to everybody.
    ROOT_ACCESS_KEY="$AWS_ACCESS_KEY_ID" ROOT_SECRET_KEY="$AWS_SECRET_ACCESS_KEY" \
        "$programs/versitygw" --port "$address:$port" --region us-east-1 --quiet \
        posix --sidecar "$home/sidecar" "$home/buckets" >>"$home/server.log" 2>&1 </dev/null &
    pid=$!
    echo "$pid" >"$home/pid"
    for tries in $(seq 1 100); do
        kill -0 "$pid" 2>/dev/null || { tail -n 20 "$home/server.log" >&2; fail "The server did not start."; }
        (exec 3<>"/dev/tcp/$address/$port") 2>/dev/null && return 0
        sleep 0.1
    done
    halt
    fail "The server did not answer within 10 s; its log is $home/server.log."
}

start() {
    if runs; then fail "It runs already (home $home)."; fi
    rm -rf "$home"
    # A bucket is a folder; what else a store knows of a file lies in files beside it, on any disk.
    umask 077
    mkdir -p "$home/buckets/nascar" "$home/sidecar"
    echo "$1" >"$home/port"
    launch
    echo "http://$address:$1"
}

halt() {
    local pid tries
    runs || return 0
    pid="$(cat "$home/pid")"
    kill -9 "$pid" 2>/dev/null || true
    for tries in $(seq 1 100); do kill -0 "$pid" 2>/dev/null && sleep 0.05 || break; done
}

case "${1:-}" in
    install) install ;;
    start) start "${2:-7070}" ;;
    stop) halt; rm -rf "$home" ;;
    halt) halt ;;
    resume) launch ;;
    status) if runs; then echo "runs: port $(cat "$home/port"), home $home"; else echo "does not run (home $home)"; exit 3; fi ;;
    *) fail "Usage: s3.sh install | start [port] | stop | halt | resume | status" 2 ;;
esac
