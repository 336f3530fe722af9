"""The dashboard, in a headless Chromium. Screenshots are kept below build/test-logs."""

import json
import re
import threading

import pytest

from browser import Browser
from process import wait_until
from sluice import ADMIN, ROOT, Sluice

SHOTS = ROOT / "build/test-logs"
STATEMENTS = "Number(document.querySelector('#tiles .tile b').textContent.replace('k', '000'))"


class Traffic:
    """Reads, some writes, and a session that is bound, until told to stop."""

    def __init__(self, sluice):
        self.sluice = sluice
        self._stop = threading.Event()
        sluice.sql("CREATE TABLE IF NOT EXISTS app.seen (id INT PRIMARY KEY, visits INT)")
        self._threads = [threading.Thread(target=self._run, args=(work,), daemon=True)
                         for work in (self._read, self._read, self._write, self._hold)]  # fmt: skip

    def _run(self, work):
        while not self._stop.is_set():
            try:
                with self.sluice.connect() as connection, connection.cursor() as cursor:
                    while not self._stop.is_set():
                        work(cursor)
            except Exception:  # a backend was taken away: that is what some tests do
                self._stop.wait(0.2)

    def _read(self, cursor):
        cursor.execute("SELECT 1")
        self._stop.wait(0.01)

    def _write(self, cursor):
        cursor.execute("REPLACE INTO app.seen VALUES (1, 1)")
        self._stop.wait(0.05)

    def _hold(self, cursor):
        cursor.execute("SELECT GET_LOCK('held', 1)")
        self._stop.wait(60)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(30)


@pytest.fixture(scope="module")
def browser():
    with Browser() as made:
        yield made


@pytest.fixture(scope="module")
def traffic(sluice):
    with Traffic(sluice) as made:
        yield made


def address(sluice):
    return f"http://127.0.0.1:{sluice.http_port}/"


@pytest.fixture
def page(browser, sluice, traffic):
    opened = browser.open(address(sluice))
    opened.wait("document.querySelectorAll('.backend').length === 3")
    yield opened
    assert opened.complaints() == []


def button(name, state):
    return f"button[data-backend={name}][data-state={state}]"


def is_open(dialog):
    return f"document.getElementById('{dialog}').open"


def log_in(page, user=ADMIN[0], password=ADMIN[1]):
    page.wait(is_open("login"))
    page.value("document.querySelector('#login [name=user]').focus()")
    page.type(user)
    page.press("Tab")
    page.type(password)
    page.press("Enter")


def set_back(sluice, name):
    sluice.admin(f"SET BACKEND {name} ONLINE")
    sluice.wait_serving(*(replica.name for replica in sluice.cluster.replicas))


def test_it_shows_the_cluster(page, sluice):
    assert page.text("#ready") == "ready"
    assert "db1 takes the writes" in page.text("#primary")
    picture = page.value("document.querySelector('#topology svg').getAttribute('aria-label')")
    assert "db1 is primary and up" in picture
    assert re.search(r"db2 replicates from db1, \d+ ms behind", picture)
    for backend in sluice.cluster.backends:
        assert backend.address in page.text(f"article[aria-label='Backend {backend.name}']")
    page.wait("document.getElementById('sessions').innerText.includes('user_lock')")
    page.wait("document.getElementById('decisions').innerText.includes('plain_read')")
    page.wait("/db[23]\\s+plain_read/.test(document.getElementById('history').innerText)")
    page.wait("document.getElementById('digests').innerText.toLowerCase().includes('select ?')", 20)


def test_it_is_live(page):
    page.wait(f"{STATEMENTS} > 5")
    first = page.text("#live")
    page.wait(f"document.getElementById('live').innerText !== {json.dumps(first)}")
    page.wait("document.querySelector('.backend .plot path').getAttribute('d').includes('L')")
    page.wait("[...document.querySelectorAll('.backend .plot')].every(p => / now \\d/.test(p.getAttribute('aria-label')))")


def test_a_drain_by_click_shows_up_in_show_backends(page, sluice):
    try:
        page.click(button("db2", "DRAIN"))
        log_in(page)
        page.wait(is_open("change"))
        page.value("document.querySelector('#change [name=why]').focus()")
        page.type("new disk")
        page.click("#change .main")
        wait_until(lambda: sluice.backends()["db2"]["state"] == "DRAIN", "the click arrives")
        row = sluice.backends()["db2"]
        assert (row["why"], row["by"]) == ("new disk", "admin@127.0.0.1")
        page.wait(f"document.querySelector('{button('db2', 'DRAIN')}').getAttribute('aria-pressed') === 'true'")
        page.wait("document.getElementById('events').innerText.includes('new disk')")
        page.wait("document.querySelector('#topology svg').getAttribute('aria-label').includes('draining')")
        # Logged in, the next one takes no password.
        page.click(button("db2", "ONLINE"))
        page.wait(is_open("change"))
        page.click("#change .main")
        wait_until(lambda: sluice.backends()["db2"]["state"] == "ONLINE", "the second click arrives")
    finally:
        set_back(sluice, "db2")


def test_it_can_be_worked_by_keyboard(page, sluice):
    def tab_to(condition):
        for _ in range(60):
            page.press("Tab")
            if page.value(condition):
                return
        raise AssertionError(f"Tab never leads to {condition}")

    try:
        tab_to("document.activeElement.matches('a[href=\"#content\"]')")
        tab_to("document.activeElement.dataset.backend === 'db3' && document.activeElement.dataset.state === 'DRAIN'")
        page.press("Enter")
        page.wait(is_open("login"))
        page.press("Escape")
        page.wait("!" + is_open("login"))
        assert page.value("document.activeElement.dataset.state") == "DRAIN", "the focus comes back"
        page.press(" ")
        log_in(page)
        page.wait(is_open("change"))
        page.type("by keyboard")
        page.press("Enter")
        wait_until(lambda: sluice.backends()["db3"]["why"] == "by keyboard", "the drain arrives")
    finally:
        set_back(sluice, "db3")


def test_a_wrong_password_is_told_and_changes_nothing(browser, sluice, traffic):
    page = browser.open(address(sluice))
    page.wait("document.querySelectorAll('.backend').length === 3")
    page.click(button("db2", "OFFLINE"))
    log_in(page, password="guess")
    page.wait("document.querySelector('#login .error').textContent.includes('wrong')")
    assert page.value(is_open("login"))
    assert sluice.backends()["db2"]["state"] == "ONLINE"
    assert all("401" in complaint for complaint in page.complaints())


def test_names_and_reasons_are_text(page, sluice):
    evil = "<img src=x onerror=alert(1)>"
    try:
        sluice.admin(f"SET BACKEND db2 DRAIN BECAUSE '{evil}'")
        page.wait(f"document.querySelector('article[aria-label=\"Backend db2\"]').innerText.includes({json.dumps(evil)})")
        assert page.value("document.querySelectorAll('img').length") == 0
    finally:
        set_back(sluice, "db2")


def test_every_view_can_be_read(page):
    names = page.wait("(names => names.length > 8 && names)([...document.querySelectorAll('#view option')].map(o => o.value))")
    assert "topology" in names
    page.value("(v => { v.value = 'topology'; v.dispatchEvent(new Event('change')); })(document.getElementById('view'))")
    page.wait("document.getElementById('any').innerText.includes('server_id')")
    page.value("(v => { v.value = 'db3'; v.dispatchEvent(new Event('input')); })(document.getElementById('like'))")
    page.wait("document.querySelectorAll('#any tbody tr').length === 1")


def test_only_its_own_script_runs(browser, sluice):
    page = browser.open(address(sluice))
    page.wait("document.querySelectorAll('.backend').length === 3")
    ran = page.value(
        "(() => { const s = document.createElement('script'); s.textContent = 'window.foreign = 1';"
        " document.body.append(s); return window.foreign === 1; })()"
    )
    assert not ran
    assert any("Content Security Policy" in complaint for complaint in page.complaints())


def test_it_fits_a_phone_and_looks_good(browser, sluice, traffic):
    """Makes the pictures; that they look good, somebody has to see."""
    page = browser.open(address(sluice), 1280, 900)
    page.wait("document.querySelectorAll('.backend').length === 3")
    page.wait("(document.querySelector('.backend .plot path').getAttribute('d').match(/L/g) || []).length > 12", 60)
    page.screenshot(SHOTS / "dashboard-wide.png")
    page.dark(True)
    page.wait("getComputedStyle(document.body).backgroundColor === 'rgb(14, 17, 22)'")
    page.screenshot(SHOTS / "dashboard-dark.png")
    page.dark(False)
    page.resize(390, 844)
    page.wait("document.querySelector('#topology svg').viewBox.baseVal.width < 390")
    assert page.value("document.documentElement.scrollWidth") <= 390
    small = page.value(
        "[...document.querySelectorAll('button')].filter(b => b.offsetParent && b.offsetHeight < 32).length"
    )
    assert small == 0
    page.screenshot(SHOTS / "dashboard-narrow.png")
    assert page.complaints() == []


def test_a_required_login_is_asked_for_at_once(browser, cluster):
    with Sluice(cluster, http={"login_required": True}, admin={"readonly_password": "lookpw"}) as own:
        page = browser.open(address(own))
        log_in(page, "stats", "lookpw")
        page.wait("document.querySelectorAll('.backend').length === 3")
        assert page.text("#account") == "Log out stats"
        # It may look; what it may not do, it is told.
        page.click(button("db2", "DRAIN"))
        log_in(page, "stats", "lookpw")
        page.wait("document.querySelector('#login .error').textContent.includes('may look but not change')")


def test_the_loss_of_the_primary_is_seen_at_a_glance(browser, cluster):
    with Sluice(cluster) as own, Traffic(own):
        page = browser.open(address(own))
        page.wait("document.querySelectorAll('.backend').length === 3")
        page.wait(f"{STATEMENTS} > 5")
        cluster.primary.kill9()
        try:
            page.wait("document.getElementById('alerts').innerText.includes('nobody takes writes')", 30)
            page.wait("document.title.startsWith('(')")
            assert page.text("#primary") == "nobody takes writes"
            page.wait("document.getElementById('ready').innerText === 'reads only'")
            page.wait("document.getElementById('events').innerText.includes('db1 was primary')")
            page.wait(f"{STATEMENTS} > 5")
            page.screenshot(SHOTS / "dashboard-failover.png")
        finally:
            cluster.primary.start()
        page.wait("document.getElementById('alerts').children.length === 0", 30)
        page.wait("document.getElementById('primary').innerText === 'db1 takes the writes'")
    cluster.wait_caught_up()


def test_the_end_of_sluice_is_told(browser, cluster):
    with Sluice(cluster) as own:
        page = browser.open(address(own))
        page.wait("document.querySelectorAll('.backend').length === 3")
        own.stop()
        page.wait("document.getElementById('ready').innerText === 'no answer'")
