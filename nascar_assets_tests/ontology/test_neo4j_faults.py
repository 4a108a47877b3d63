"""A server that is down, slow, refusing, hanging or dying: clear errors, in time, no secrets."""

import logging
import socket
import ssl
import subprocess
import threading
import time

import pytest

from nascar_assets.constraints import (
    ConstraintCompiler,
    compile_constraints_from_neo4j,
    compile_for_state,
)
from nascar_assets.errors import InputError
from nascar_assets.ontology import (
    GraphFault,
    GraphSlow,
    Query,
    Statement,
    build_state,
    load_state,
    open_graph,
)
from nascar_assets_tests.ontology.made_up import AS_OF, driver_values, schedule, track_values

pytestmark = pytest.mark.neo4j

SECRET = "s3cret-Passw0rd"
ENDLESS = Query(
    "endless", "UNWIND range(1, 1000000) AS a UNWIND range(1, 1000000) AS b RETURN sum(a * b) AS s"
)


@pytest.fixture
def loaded(neo4j_server):
    neo4j_server.clear()
    engine = neo4j_server.engine()
    state = build_state(driver_values(), track_values(), schedule(), (), AS_OF)
    load_state(engine, state)
    engine.close()
    return neo4j_server


def engine_at(address, **login):
    from nascar_assets.ontology.neo4j_engine import Neo4jEngine

    return Neo4jEngine(address, **login)


def compile_with(engine):
    return ConstraintCompiler(engine).compile_spec("s", ["101", "102"], ["1"], now=AS_OF)


def test_a_server_that_is_down(neo4j_server):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    engine = engine_at(f"bolt://127.0.0.1:{port}", user="neo4j", password=SECRET)
    started = time.monotonic()
    with pytest.raises(GraphFault, match=r"127\.0\.0\.1.*'compile drivers'.*driver_ids.*Look whet"):
        compile_with(engine)
    assert time.monotonic() - started < 5


def test_a_wrong_password(loaded, caplog):
    caplog.set_level(logging.DEBUG)
    engine = engine_at(loaded.address, user="neo4j", password=SECRET)
    with pytest.raises(GraphFault, match=r"Unauthorized.*NASCAR_GRAPH_PASSWORD") as caught:
        compile_with(engine)
    shown = [str(caught.value), repr(caught.value), repr(engine), str(vars(engine)), caplog.text]
    shown += [repr(caught.value.__cause__), repr(caught.value.__context__)]
    assert not any(SECRET in text for text in shown)


def test_no_credentials(loaded):
    with pytest.raises(GraphFault, match="NASCAR_GRAPH_USER"):
        compile_with(engine_at(loaded.address))


@pytest.mark.parametrize("warm", [True, False])
def test_a_server_that_hangs(loaded, warm):
    engine = loaded.engine(time_limit=1.0)
    if warm:
        engine.ping()
    loaded.signal("SIGSTOP")
    started = time.monotonic()
    try:
        with pytest.raises(GraphFault, match="compile drivers"):
            compile_with(engine)
    finally:
        loaded.signal("SIGCONT")
    assert time.monotonic() - started < 6
    recovered = loaded.engine()
    assert len(compile_with(recovered).drivers) == 2
    recovered.close()


def test_one_slow_query_does_not_fail_the_others(loaded):
    engine = loaded.engine(time_limit=2.0)
    failures, hashes = [], []

    def endless():
        try:
            engine.read(ENDLESS)
        except GraphFault as error:
            failures.append(error)

    slow = threading.Thread(target=endless)
    slow.start()
    while slow.is_alive():
        hashes.append(compile_with(engine).hash)
    assert [type(error) for error in failures] == [GraphSlow]
    assert len(set(hashes)) == 1


def test_a_server_killed_in_the_middle_of_a_query_keeps_its_data(loaded):
    engine = loaded.engine(time_limit=30.0)
    before = compile_with(engine).hash
    killer = threading.Timer(0.5, loaded.kill)
    killer.start()
    started = time.monotonic()
    try:
        with pytest.raises(GraphFault, match=r"'endless'.*parameters: none.*Look whether"):
            engine.read(ENDLESS)
        assert time.monotonic() - started < 20
        with pytest.raises(GraphFault, match="'compile drivers'"):
            compile_with(engine)
    finally:
        killer.join()
        loaded.start()
    assert compile_with(engine).hash == before
    engine.close()


def test_tls_is_spoken_where_the_scheme_says_so(loaded, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-keyout",
            str(key),
            "-out",
            str(certificate),
        ],
        check=True,
        capture_output=True,
    )
    with TlsFront(loaded.port, key, certificate) as port:
        credentials = {"user": "neo4j", "password": loaded.password}
        with OpenFront(f"bolt+ssc://localhost:{port}", credentials) as own:
            assert len(compile_with(own).drivers) == 2
        with (
            OpenFront(f"bolt+s://localhost:{port}", credentials) as trusted,
            pytest.raises(GraphFault, match="failed"),
        ):
            # Nobody whom this machine trusts signed the certificate.
            compile_with(trusted)


def test_the_one_call_form_takes_an_address(loaded):
    spec = compile_constraints_from_neo4j(
        loaded.address, "s", ["101"], ["1"], now=AS_OF, user="neo4j", password=loaded.password
    )
    assert list(spec.drivers) == ["101"]


def test_two_nodes_with_one_key_are_refused(loaded):
    # Without the unique key, as in a graph that somebody else filled.
    engine = loaded.engine()
    engine.write("DROP CONSTRAINT nascar_driver")
    engine.write("MATCH (d:Driver {driver_id: '101'}) CREATE (e:Driver) SET e = properties(d)")
    with pytest.raises(InputError, match="more than one node with driver_id 101"):
        compile_with(engine)
    engine.close()


@pytest.mark.parametrize("filled", [False, True])
def test_slates_that_load_a_server_at_once_each_get_their_own_vetoes(neo4j_server, filled):
    def state_with(vetoed):
        vetoes = [
            Statement("veto", "driver", id_, "not-in-lineups", None, "Ada", "ill", AS_OF)
            for id_ in vetoed
        ]
        return build_state(driver_values(), track_values(), schedule(), vetoes, AS_OF)

    def compile_from(engine, state, vetoed):
        spec = compile_for_state(engine, state, "s", ids, ["1"], now=AS_OF)
        found[vetoed] = tuple(id_ for id_ in ids if spec.drivers[id_].veto_rules)

    ids = [node.driver_id for node in state_with(()).drivers]
    wanted = [("101", "103"), ("102", "103")]
    engines = [neo4j_server.engine() for _ in wanted]
    for _ in range(3):
        neo4j_server.clear()
        if filled:
            load_state(engines[0], state_with(("104",)))
        found = {}
        runs = [
            threading.Thread(target=compile_from, args=(engine, state_with(vetoed), vetoed))
            for engine, vetoed in zip(engines, wanted, strict=True)
        ]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        assert found == {vetoed: vetoed for vetoed in wanted}
        links = engines[0].read("MATCH (:Driver)-[r:DRIVES_FOR]->() RETURN count(r) AS links")
        assert links == [{"links": len(ids)}]
    for engine in engines:
        engine.close()


class OpenFront:
    """An engine that is closed at the end."""

    def __init__(self, address, credentials):
        self.engine = open_graph(address, time_limit=5.0, **credentials)

    def __enter__(self):
        return self.engine

    def __exit__(self, *_):
        self.engine.close()


class TlsFront:
    """A TLS listener that passes everything on to a plain port."""

    def __init__(self, target, key, certificate):
        self.target = target
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self.listener.getsockname()[1]

    def __exit__(self, *_):
        self.listener.close()

    def _serve(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            try:
                client = self.context.wrap_socket(plain, server_side=True)
            except OSError:
                continue
            server = socket.create_connection(("127.0.0.1", self.target))
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pass_on(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        finally:
            sink.close()
