"""The command line: what --check says, how a start fails, how a stop drains."""

import signal
import socket
import subprocess
import threading
import time

import pymysql
import pytest

from process import free_port, wait_until
from sluice import ROOT, Sluice, binary, toml

TEXT = pymysql.cursors.Cursor
SOUND = {
    "listen": {"address": "127.0.0.1:0"},
    "admin": {"address": "off"},
    "http": {"address": "off"},
    "monitor": {"user": "monitor", "password": "monitorpw"},
    "backend": [{"name": "db1", "address": "127.0.0.1:1"}],
    "user": [{"name": "app", "password": "apppw"}],
}


def run(connection, statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def sluice_says(*arguments, environment=None):
    """(exit code, output, errors) of a run that ends by itself."""
    done = subprocess.run(
        [binary(), *map(str, arguments)], capture_output=True, text=True, timeout=20, check=False, env=environment
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def config(tmp_path):
    """A function that writes a config and gives its path: keywords are laid over a sound one."""

    def write(text=None, **sections):
        path = tmp_path / "sluice.toml"
        settings = SOUND | {
            name: SOUND.get(name, {}) | keys if isinstance(keys, dict) else keys for name, keys in sections.items()
        }
        path.write_text(text if text is not None else toml(settings))
        return path

    return write


def test_a_sound_config_is_told_so_with_exit_0(config):
    path = config()
    assert sluice_says("--check", "--config", path) == (0, f"{path}: the configuration is sound\n", "")


def test_the_example_is_sound(tmp_path):
    code, output, errors = sluice_says("--check", "--config", ROOT / "config/example.toml")
    assert code == 0 and "sound" in output, errors


def test_all_problems_are_told_at_once_with_file_line_key_and_mend(config):
    path = config(
        '[listen]\nadress = "127.0.0.1:6033"\n[monitor]\nuser = "m"\npassword = "p"\ninterval = "soon"\n'
        '[[backend]]\nname = "db1"\naddress = "h:1"\nweight = "heavy"\n[[user]]\nname = "app"\npassword = "p"\n'
    )
    code, output, errors = sluice_says("--check", "--config", path)
    assert code == 2 and output == ""
    lines = errors.splitlines()
    assert f'{path}:2: listen.adress: unknown key; did you mean "address"?' in lines
    assert any(line.startswith(f"{path}:6: monitor.interval: ") for line in lines)
    assert any(line.startswith(f"{path}:10: backend.db1.weight: ") for line in lines)
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    (
        ("", "no [[backend]]"),
        ("[listen\n", ":1"),
        ("[lisen]\naddress = 'x'\n", 'did you mean "listen"?'),
    ),
)
def test_a_bad_config_keeps_sluice_from_starting_with_exit_2(config, text, words):
    code, output, errors = sluice_says("--config", config(text))
    assert code == 2 and output == "" and words in errors


def test_two_backends_of_one_name_are_refused(config):
    twice = [{"name": "db1", "address": "127.0.0.1:1"}, {"name": "db1", "address": "127.0.0.1:2"}]
    code, _, errors = sluice_says("--check", "--config", config(backend=twice))
    assert code == 2 and "db1" in errors


def test_a_missing_file_is_named_with_exit_2(tmp_path):
    code, _, errors = sluice_says("--config", tmp_path / "nowhere.toml")
    assert code == 2 and "nowhere.toml" in errors


def test_a_password_may_come_from_a_file_or_the_environment(config, tmp_path):
    (tmp_path / "secret").write_text("from-file\n")
    path = config(
        monitor={"password": None, "password_file": "secret"},
        user=[{"name": "app", "password_env": "SLUICE_TEST_PASSWORD"}],
    )
    assert sluice_says("--check", "--config", path, environment={"SLUICE_TEST_PASSWORD": "from-env"})[0] == 0
    code, _, errors = sluice_says("--check", "--config", path, environment={})
    assert code == 2 and "user.app.password_env" in errors


@pytest.mark.parametrize(
    ("arguments", "words"),
    (
        (["--frob"], "unknown argument '--frob'"),
        ([], "--config FILE is missing"),
        (["--config"], "--config needs a file"),
    ),
)
def test_a_wrong_command_line_ends_with_exit_2_and_the_usage(arguments, words):
    code, _, errors = sluice_says(*arguments)
    assert code == 2 and words in errors and "Usage:" in errors


def test_version_and_help_end_with_exit_0():
    assert sluice_says("--version")[0] == 0
    code, output, _ = sluice_says("--help")
    assert code == 0 and "Exit codes:" in output


@pytest.mark.parametrize("section", ("listen", "admin"))
def test_a_port_in_use_ends_the_start_with_exit_1_and_names_it(config, section):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        sections = {"listen": {"address": f"127.0.0.1:{free_port()}"}}
        sections[section] = {"address": address} | ({"password": "x"} if section == "admin" else {})
        code, _, errors = sluice_says("--config", config(**sections))
    assert code == 1
    assert address in errors and "in use" in errors


@pytest.fixture(scope="module")
def table(cluster):
    cluster.primary.run(["CREATE TABLE app.drained (id INT PRIMARY KEY)", "INSERT INTO app.drained VALUES (0)"])
    cluster.wait_caught_up()


def ended(sluice):
    return sluice._process.poll() is not None


def refuses_clients(sluice):
    try:
        sluice.connect(connect_timeout=1).close()
    except pymysql.Error:
        return True
    return False


@pytest.mark.parametrize("which", (signal.SIGTERM, signal.SIGINT), ids=lambda s: s.name)
def test_a_stop_lets_a_running_transaction_finish(cluster, table, which):
    with Sluice(cluster, shutdown={"grace": "20s"}) as sluice:
        busy, idle = sluice.connect(cursorclass=TEXT), sluice.connect(cursorclass=TEXT)
        run(idle, "SELECT 1")
        run(busy, "BEGIN")
        run(busy, f"INSERT INTO drained VALUES ({which})")
        sluice._process.send_signal(which)
        wait_until(lambda: refuses_clients(sluice), "new clients are refused")
        with pytest.raises(pymysql.Error):
            run(idle, "SELECT 1")
        run(busy, "SELECT COUNT(*) FROM drained")
        run(busy, "COMMIT")
        wait_until(lambda: ended(sluice), "it has ended")
        assert sluice._process.returncode == 0
    assert cluster.primary.value(f"(SELECT COUNT(*) FROM app.drained WHERE id = {int(which)})") == 1


def test_a_stop_lets_a_running_statement_finish(cluster, table):
    with Sluice(cluster, shutdown={"grace": "20s"}) as sluice:
        connection, answer = sluice.connect(cursorclass=TEXT), []
        thread = threading.Thread(target=lambda: answer.append(run(connection, "SELECT SLEEP(1) + 5")))
        thread.start()
        wait_until(lambda: any(row["busy"] for row in sluice.admin("SHOW SESSIONS")), "it runs")
        sluice.stop()
        thread.join()
    assert answer == [((5,),)]


@pytest.mark.parametrize("statement", ("BEGIN", "SELECT SLEEP(60) FROM drained LIMIT 1"))
def test_a_session_that_does_not_end_is_cut_when_the_grace_is_over(cluster, table, statement):
    with Sluice(cluster, shutdown={"grace": "500ms"}) as sluice:
        connection = sluice.connect(cursorclass=TEXT)
        thread = None
        if statement == "BEGIN":
            run(connection, statement)
        else:
            thread = threading.Thread(target=lambda: pytest.raises(pymysql.Error, run, connection, statement))
            thread.start()
            wait_until(lambda: any(row["busy"] for row in sluice.admin("SHOW SESSIONS")), "it runs")
        started = time.monotonic()
        sluice.stop(timeout=10)
        assert 0.4 < time.monotonic() - started < 3
        if thread:
            thread.join(10)
            assert not thread.is_alive()


def test_a_second_signal_stops_at_once(cluster, table):
    with Sluice(cluster, shutdown={"grace": "60s"}) as sluice:
        connection = sluice.connect(cursorclass=TEXT)
        run(connection, "BEGIN")
        sluice._process.terminate()
        wait_until(lambda: refuses_clients(sluice), "it drains")
        assert not ended(sluice)
        sluice.stop(timeout=5)
