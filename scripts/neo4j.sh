#!/usr/bin/env bash
# A real Neo4j server without a container, for tests, development and benchmarks.
#
#   scripts/neo4j.sh install        copy the server's jars into .cache/neo4j (Maven; once)
#   scripts/neo4j.sh start [port]   start it on 127.0.0.1 (default port 7687) and wait for it
#   scripts/neo4j.sh stop           stop it
#   scripts/neo4j.sh status         say whether it runs; exit code 3 if not
#
# NASCAR_GRAPH_PASSWORD  password of the user neo4j, at least 8 characters; set when the home is
#                        new (needed by start)
# NASCAR_NEO4J_HOME      home of the server's data and logs (default .cache/neo4j-home)
# NASCAR_NEO4J_JAVA      further options of the Java machine, separated by spaces
set -euo pipefail
project="$(cd "$(dirname "$0")/.." && pwd)"
pom="$project/scripts/neo4j-pom.xml"
jars="$project/.cache/neo4j"
# Of the jars that the pom pins, names and contents: sha256sum -- *.jar | sha256sum
digest=190aefbe87991ac292e0ea340753ae990ef30be189199cf3aab9a4d5211c60fa
home="${NASCAR_NEO4J_HOME:-$project/.cache/neo4j-home}"
pid_file="$home/run/server.pid"

fail() { echo "neo4j.sh: $1" >&2; exit "${2:-1}"; }

runs() {
    # A process id alone may be another program's by now.
    [ -f "$pid_file" ] && tr '\0' ' ' 2>/dev/null <"/proc/$(cat "$pid_file")/cmdline" |
        grep -qF -- "--home-dir=$home"
}

install() {
    local wanted
    wanted="$(sha256sum "$pom" | cut -d' ' -f1)"
    [ "$(cat "$jars/.installed" 2>/dev/null || true)" = "$wanted" ] && return 0
    command -v mvn >/dev/null || fail "Maven is not installed (scripts/system-packages.sh installs it)."
    mkdir -p "$project/.cache"
    # Built aside, so that an interrupted copy is never taken for a whole one.
    draft="$(mktemp -d "$project/.cache/neo4j-XXXXXX")"
    trap 'rm -rf "$draft"' EXIT
    mvn -B -ntp -q -f "$pom" dependency:copy-dependencies -DoutputDirectory="$draft" >&2 ||
        fail "Maven could not fetch the server's jars."
    [ "$(cd "$draft" && LC_ALL=C sha256sum -- *.jar | sha256sum | cut -d' ' -f1)" = "$digest" ] ||
        fail "The jars are not those that scripts/neo4j.sh names by their digest."
    echo "$wanted" >"$draft/.installed"
    rm -rf "$jars"
    mv "$draft" "$jars"
    chmod 755 "$jars"
}

set_password() {
    # Through a file that only this user can read: a command line is open to everybody.
    local arguments="$home/run/arguments"
    printf 'org.neo4j.cli.AdminTool dbms set-initial-password "%s"\n' \
        "$(printf '%s' "$NASCAR_GRAPH_PASSWORD" | sed 's/[\\"]/\\&/g')" >"$arguments"
    if ! NEO4J_HOME="$home" NEO4J_CONF="$home/conf" \
        java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$jars/*" "@$arguments" >"$home/logs/password.log" 2>&1; then
        rm -f "$arguments"
        cat "$home/logs/password.log" >&2
        fail "The password could not be set."
    fi
    rm -f "$arguments"
}

ended() {
    # An exiting process loses its command line first and its ports last.
    [ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null
}

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

start() {
    local port="${1:-7687}"
    case "$port" in *[!0-9]* | "") fail "A port is a number, not '$port'." 2 ;; esac
    if runs; then fail "It runs already (process $(cat "$pid_file"), home $home)."; fi
    [ -f "$jars/.installed" ] || fail "It is not installed; run: bash scripts/neo4j.sh install"
    command -v java >/dev/null || fail "Java is not installed (scripts/system-packages.sh installs it)."
    if answers "$port"; then fail "Port $port is taken."; fi
    [ "${#NASCAR_GRAPH_PASSWORD}" -ge 8 ] 2>/dev/null ||
        fail "Set NASCAR_GRAPH_PASSWORD to a password of at least 8 characters." 2
    umask 077
    mkdir -p "$home/conf" "$home/run" "$home/logs" "$home/data"
    cat >"$home/conf/neo4j.conf" <<CONF
server.default_listen_address=127.0.0.1
server.bolt.enabled=true
server.bolt.listen_address=127.0.0.1:$port
server.bolt.advertised_address=127.0.0.1:$port
server.http.enabled=false
server.https.enabled=false
dbms.security.auth_enabled=true
dbms.usage_report.enabled=false
internal.server.bolt.thread_pool_shutdown_wait_time=1s
server.memory.heap.initial_size=256m
server.memory.heap.max_size=512m
server.memory.pagecache.size=64m
server.directories.data=$home/data
server.directories.logs=$home/logs
server.directories.run=$home/run
server.directories.import=$home/import
server.directories.plugins=$home/plugins
CONF
    if [ ! -d "$home/data/databases" ]; then
        set_password
    fi
    local log="$home/logs/neo4j.log" before=0
    [ ! -f "$log" ] || before="$(wc -c <"$log")"
    local -a options
    read -r -a options <<<"${NASCAR_NEO4J_JAVA:-}"
    java -Xms256m -Xmx512m -XX:+UseSerialGC "${options[@]}" \
        --add-opens=java.base/java.nio=ALL-UNNAMED --add-opens=java.base/java.io=ALL-UNNAMED \
        --add-opens=java.base/sun.nio.ch=ALL-UNNAMED \
        --add-opens=java.base/java.util.concurrent=ALL-UNNAMED \
        -cp "$jars/*" org.neo4j.server.CommunityEntryPoint \
        --home-dir="$home" --config-dir="$home/conf" \
        >"$home/logs/console.log" 2>&1 </dev/null &
    local pid=$!
    echo "$pid" >"$pid_file"
    local tries
    for tries in $(seq 1 600); do
        if ! kill -0 "$pid" 2>/dev/null; then
            rm -f "$pid_file"
            tail -n 20 "$home/logs/console.log" >&2
            fail "The server ended while it started; its logs are in $home/logs."
        fi
        # The port opens before the databases do; the log says when they have.
        if [ -f "$log" ] && tail -c "+$((before + 1))" "$log" | grep -q 'Started\.$'; then
            echo "bolt://127.0.0.1:$port"
            return 0
        fi
        sleep 0.1
    done
    stop
    fail "The server did not start within 60 s; its logs are in $home/logs."
}

stop() {
    runs || { rm -f "$pid_file"; return 0; }
    local pid tries
    pid="$(cat "$pid_file")"
    kill "$pid" 2>/dev/null || true
    for tries in $(seq 1 700); do
        if ! runs && ended "$pid"; then break; fi
        # A minute to write its data down, then ten seconds for the system to take its ports back.
        if [ "$tries" -eq 600 ] && runs; then kill -9 "$pid" 2>/dev/null || true; fi
        sleep 0.1
    done
    rm -f "$pid_file"
}

status() {
    if runs; then
        echo "runs: process $(cat "$pid_file"), home $home"
    else
        echo "does not run (home $home)"
        return 3
    fi
}

case "${1:-}" in
    install) install ;;
    start) start "${2:-}" ;;
    stop) stop ;;
    status) status ;;
    *) fail "Usage: neo4j.sh install | start [port] | stop | status" 2 ;;
esac
