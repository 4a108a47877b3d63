#!/usr/bin/env bash
# A real broker (Redis) without a container, for tests: its messages are kept where it is told so.
#
#   scripts/broker.sh start [port]   start it on 127.0.0.1 (default port 6380) and print its URL
#   scripts/broker.sh stop           stop it and throw its data away
#   scripts/broker.sh halt           stop it at once and keep its data (it has gone away)
#   scripts/broker.sh resume         start it again on the kept data
#   scripts/broker.sh status         say whether it runs; exit code 3 if not
#
# NASCAR_BROKER_HOME      folder of its data (default: a folder under the system's own for temporary files)
# NASCAR_BROKER_ADDRESS   address to listen on (default 127.0.0.1)
# NASCAR_BROKER_PASSWORD  what it is opened with (needed by start)
set -euo pipefail
home="${NASCAR_BROKER_HOME:-${TMPDIR:-/tmp}/nascar-broker-$(id -u)}"
address="${NASCAR_BROKER_ADDRESS:-127.0.0.1}"

fail() { echo "broker.sh: $1" >&2; exit "${2:-1}"; }

runs() { [ -f "$home/pid" ] && grep -qF redis-server "/proc/$(cat "$home/pid")/cmdline" 2>/dev/null; }

launch() {
    local tries port
    port="$(sed -n 's/^port //p' "$home/redis.conf")"
    redis-server "$home/redis.conf" >/dev/null
    for tries in $(seq 1 100); do
        (exec 3<>"/dev/tcp/$address/$port") 2>/dev/null && return 0
        sleep 0.05
    done
    tail -n 20 "$home/server.log" >&2 || true
    fail "The broker did not start."
}

start() {
    if runs; then fail "It runs already (home $home)."; fi
    [ -n "${NASCAR_BROKER_PASSWORD:-}" ] || fail "Set NASCAR_BROKER_PASSWORD." 2
    rm -rf "$home"
    umask 077
    mkdir -p "$home"
    # Through a file that only this user can read: a command line is open to everybody.
    cat >"$home/redis.conf" <<CONF
bind $address
port $1
requirepass $NASCAR_BROKER_PASSWORD
daemonize yes
dir $home
pidfile $home/pid
logfile $home/server.log
appendonly yes
save ""
CONF
    launch
    echo "redis://:$NASCAR_BROKER_PASSWORD@$address:$1/0"
}

halt() {
    local pid tries
    runs || return 0
    pid="$(cat "$home/pid")"
    kill -9 "$pid" 2>/dev/null || true
    for tries in $(seq 1 100); do kill -0 "$pid" 2>/dev/null && sleep 0.05 || break; done
}

installed() { command -v redis-server >/dev/null || fail "Redis is not installed (scripts/system-packages.sh installs it)."; }

case "${1:-}" in
    start) installed; start "${2:-6380}" ;;
    stop) halt; rm -rf "$home" ;;
    halt) halt ;;
    resume) installed; launch ;;
    status) if runs; then echo "runs: home $home"; else echo "does not run (home $home)"; exit 3; fi ;;
    *) fail "Usage: broker.sh start [port] | stop | halt | resume | status" 2 ;;
esac
