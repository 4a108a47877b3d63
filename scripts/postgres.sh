#!/usr/bin/env bash
# A real PostgreSQL server without a container, for tests and benchmarks; its data are thrown away.
#
#   scripts/postgres.sh start [port]   start it on 127.0.0.1 (default port 5433) and print its URL
#   scripts/postgres.sh stop           stop it and throw its data away
#   scripts/postgres.sh halt           stop it at once and keep its data (it has gone away)
#   scripts/postgres.sh resume         start it again on the kept data
#   scripts/postgres.sh status         say whether it runs; exit code 3 if not
#
# NASCAR_POSTGRES_HOME  folder of the server's data (default: a folder under the system's own for
#                       temporary files); a server started as root runs as the user postgres.
# NASCAR_POSTGRES_ADDRESS  address to listen on (default 127.0.0.1); all of its network may come in
set -euo pipefail
address="${NASCAR_POSTGRES_ADDRESS:-127.0.0.1}"
home="${NASCAR_POSTGRES_HOME:-${TMPDIR:-/tmp}/nascar-postgres-$(id -u)}"

fail() { echo "postgres.sh: $1" >&2; exit "${2:-1}"; }

programs() {
    local found
    found="$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1)" ||
        found="$(command -v initdb)" ||
        fail "PostgreSQL is not installed (scripts/system-packages.sh installs it)."
    dirname "$found"
}

# PostgreSQL refuses to run as root.
as_server() {
    if [ "$(id -u)" -eq 0 ]; then
        id postgres >/dev/null 2>&1 || useradd --system --no-create-home postgres
        (cd / && setpriv --reuid=postgres --regid=postgres --init-groups "$@")
    else
        "$@"
    fi
}

runs() { [ -f "$home/data/postmaster.pid" ] && as_server "$bin/pg_ctl" -D "$home/data" status >/dev/null 2>&1; }

launch() {
    as_server "$bin/pg_ctl" -D "$home/data" -l "$home/data/server.log" -w -t 60 \
        -o "-p $(cat "$home/port") -k $home/data -c listen_addresses=$address -c fsync=off" start >/dev/null ||
        { tail -n 20 "$home/data/server.log" >&2 || true; fail "The server did not start."; }
}

start() {
    runs && fail "It runs already (home $home)."
    rm -rf "$home"
    mkdir -p "$home/data"
    chmod 755 "$home"
    chmod 700 "$home/data"
    [ "$(id -u)" -ne 0 ] || { id postgres >/dev/null 2>&1 || useradd --system --no-create-home postgres; chown -R postgres "$home"; }
    echo "$1" >"$home/port"
    as_server "$bin/initdb" -D "$home/data" -U nascar -A trust --no-sync -E UTF8 >/dev/null
    [ "$address" = 127.0.0.1 ] || echo "host all all samenet trust" >>"$home/data/pg_hba.conf"
    launch
    as_server "$bin/createdb" -h "$address" -p "$1" -U nascar nascar
    echo "postgresql://nascar@$address:$1/nascar"
}

halt() { as_server "$bin/pg_ctl" -D "$home/data" -m immediate -w stop >/dev/null 2>&1 || true; }

case "${1:-}" in
    start) bin="$(programs)"; start "${2:-5433}" ;;
    stop) bin="$(programs)"; halt; rm -rf "$home" ;;
    halt) bin="$(programs)"; halt ;;
    resume) bin="$(programs)"; launch ;;
    status)
        bin="$(programs)"
        if runs; then echo "runs: port $(cat "$home/port"), home $home"; else echo "does not run (home $home)"; exit 3; fi
        ;;
    *) fail "Usage: postgres.sh start [port] | stop | halt | resume | status" 2 ;;
esac
