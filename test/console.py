"""The console in a browser, and the metrics in Prometheus: see test/console.

	python3 test/console.py PICTURES STREAMS SERVER

PICTURES is a directory for screenshots; STREAMS is how many streams of 64 shards
there are to be; SERVER has the data directory of the server that PGHOST names.  The
browser is driven by the WebDriver protocol, which is HTTP and JSON.
"""

import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

from checking import PATIENCE, equal, failed, free_port, ok, psql, wait_until

pictures, many, server = sys.argv[1], int(sys.argv[2]), sys.argv[3]
processes = []


# --- servers ------------------------------------------------------------------

def start(*command):
    log = open(os.path.join(tempfile.gettempdir(), os.path.basename(command[0]) + ".log"), "a")
    process = subprocess.Popen(command, stdout=log, stderr=log)
    processes.append(process)
    return process


def fetch(url, wanted=200):
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.read().decode() if answer.status == wanted else None
    except OSError:
        return None


def start_gateway(database, *options):
    port = free_port()
    url = "http://127.0.0.1:%d" % port
    start("./ddbstreams-gateway", "--listen", "127.0.0.1:%d" % port, *options, "dbname=" + database)
    wait_until(lambda: fetch(url + "/healthz"), "a gateway answers")
    return url


# --- the browser --------------------------------------------------------------

KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c", "Space": " "}


class Browser:
    """A session of Chromium, which remembers violations of the page's policy."""

    def __init__(self):
        port = free_port()
        self.base = "http://127.0.0.1:%d" % port
        start("chromedriver", "--port=%d" % port)
        wait_until(lambda: fetch(self.base + "/status"), "chromedriver answers")
        self.session = ""
        self.session = "/session/" + self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                "--lang=en-GB", "--user-data-dir=" + tempfile.mkdtemp()]}}}})["sessionId"]
        self.tool("Page.enable")
        self.tool("Page.addScriptToEvaluateOnNewDocument", source="""
            window.violations = [];
            document.addEventListener('securitypolicyviolation', (event) =>
                violations.push(event.violatedDirective + ' ' + event.blockedURI));""")

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.base + self.session + path, method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()[:1000]) from None

    def tool(self, command, **params):
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def go(self, url):
        self.call("POST", "/url", {"url": url})

    def js(self, script, *args):
        return self.call("POST", "/execute/sync", {"script": script, "args": list(args)})

    def wait(self, script, *args):
        return wait_until(lambda: self.js(script, *args), script)

    def press(self, *names):
        for name in names:
            key = KEYS.get(name, name)
            self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": [
                {"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]}]})

    def type(self, text):
        self.press(*text)

    def size(self, width, height, dark=False):
        self.tool("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)
        self.tool("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def text(self):
        return self.js("return document.body.innerText")

    def focused(self):
        return self.js("""const e = document.activeElement;
            return e.id ? '#' + e.id : e.textContent.trim().slice(0, 40) || e.tagName""")

    def shoot(self, name):
        with open(os.path.join(pictures, name + ".png"), "wb") as out:
            out.write(base64.b64decode(self.call("GET", "/screenshot")))

    def log(self):
        return self.call("POST", "/se/log", {"type": "browser"})


# --- what there is to see -----------------------------------------------------

SHOP = r"""
CREATE EXTENSION ddbstreams;
CREATE TABLE orders (id int PRIMARY KEY, customer text NOT NULL, status text NOT NULL, total numeric, note text);
SELECT ddbstreams.enable_stream('orders', shard_count => 4);
CREATE TABLE customers (id int PRIMARY KEY, name text);
SELECT ddbstreams.enable_stream('customers', shard_count => 2);
GRANT SELECT ON orders TO clerk;
CREATE TABLE mended (x int);
CREATE FUNCTION ship_order(event jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF event::text LIKE '%poison%' AND NOT EXISTS (SELECT FROM mended) THEN
		RAISE EXCEPTION 'no address for order %', event #>> '{Records,0,dynamodb,Keys,id,N}';
	END IF;
END $$;
CREATE FUNCTION send_mail(event jsonb) RETURNS void LANGUAGE sql AS 'SELECT pg_sleep(0.2)';
SELECT ddbstreams.create_event_source_mapping('ship_order', ddbstreams.latest_stream_arn('orders'), 'TRIM_HORIZON',
	batch_size => 20, maximum_retry_attempts => 1);
SELECT ddbstreams.create_event_source_mapping('send_mail', ddbstreams.latest_stream_arn('customers'), 'TRIM_HORIZON',
	batch_size => 5);
SELECT ddbstreams.create_consumer('warehouse', ddbstreams.latest_stream_arn('orders'));
SELECT ddbstreams.create_consumer('search_index', ddbstreams.latest_stream_arn('orders'));
"""

# A little work: orders come, are paid, and go
WORK = """
INSERT INTO orders SELECT %(i)d * 100 + g, 'customer ' || g, 'new', g * 9.5, 'please ring' FROM generate_series(1, 12) g;
UPDATE orders SET status = 'paid', total = total + 1 WHERE id BETWEEN %(i)d * 100 AND %(i)d * 100 + 6;
DELETE FROM orders WHERE id BETWEEN (%(i)d - 3) * 100 + 1 AND (%(i)d - 3) * 100 + 3;
INSERT INTO customers SELECT %(i)d * 100 + g, 'customer ' || g FROM generate_series(1, 6) g;
DO $$
DECLARE r record;
BEGIN
	FOR r IN SELECT shard_id, max(sequence_number) AS last FROM ddbstreams.poll('warehouse', 'anna', 40) GROUP BY 1 LOOP
		PERFORM ddbstreams.checkpoint('warehouse', 'anna', r.shard_id, r.last);
	END LOOP;
END $$;
"""

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"

rounds = 0


def work(times=1):
    global rounds
    for _ in range(times):
        rounds += 1
        psql(WORK % {"i": rounds})


def arn_of(table, database="shop"):
    return psql("SELECT ddbstreams.latest_stream_arn('%s')" % table, database)


def prepare_database():
    psql("CREATE ROLE clerk LOGIN PASSWORD 'clerk'; CREATE DATABASE shop; CREATE DATABASE many;"
         "CREATE DATABASE empty; CREATE DATABASE bare", "postgres")
    with open(os.path.join(server, "data", "pg_hba.conf"), "w") as out:
        out.write("local all clerk scram-sha-256\nlocal all all trust\n")
    psql("SELECT pg_reload_conf()", "postgres")
    psql("CREATE EXTENSION ddbstreams", "empty")
    psql(SHOP)
    work(3)
    psql("INSERT INTO orders VALUES (-1, 'eve', 'poison', 1, '%s')" % HOSTILE)
    psql("SELECT ddbstreams.roll_over(ddbstreams.latest_stream_arn('orders'))")
    split()
    work(3)
    wait_until(lambda: psql("SELECT count(*) FROM ddbstreams.failed_batches") != "0", "a batch has been given up")


def split():
    psql("SELECT ddbstreams.split_shard('%s', (SELECT max(shard_id) FROM ddbstreams.describe_stream('%s')"
         " WHERE ending_sequence_number IS NULL))" % (arn_of("orders"), arn_of("orders")))


def shards_of(table):
    return int(psql("SELECT count(*) FROM ddbstreams.describe_stream('%s')" % arn_of(table)))


# --- the tests ----------------------------------------------------------------

def page(url, view, table=None, database="shop"):
    rest = "/" + urllib.parse.quote(arn_of(table, database), safe="") if table else ""
    return url + "/console#/" + view + rest


def test_signing_in(browser, url):
    browser.size(1280, 760)
    browser.go(url + "/console")
    browser.wait("return document.querySelector('.sign-in') && document.activeElement.id === 'role'")
    ok(browser.js("return document.getElementById('nav').hidden"), "nothing is shown before signing in")
    browser.shoot("console-sign-in")
    browser.type("clerk")
    browser.press("Tab")
    browser.type("wrong")
    browser.press("Enter")
    browser.wait("return document.querySelector('[role=alert]').textContent")
    ok("does not let this role in" in browser.text(), "a wrong password is told in words")
    equal(browser.focused(), "#password", "the focus is on the password")
    browser.type("clerk")
    browser.press("Enter")
    browser.wait("return document.querySelectorAll('tbody tr').length === 1")
    ok("clerk in database shop" in browser.text(), "the page says who is signed in")
    equal(browser.js("return document.cookie + localStorage.length + sessionStorage.length"), "00",
          "the browser keeps nothing")
    browser.js("document.getElementById('sign-out').click()")
    browser.wait("return document.querySelector('.sign-in')")
    ok("orders" not in browser.text(), "nothing is left after signing out")


def test_streams(browser, url):
    browser.go(page(url, "streams"))
    browser.wait("return document.querySelectorAll('tbody tr').length === 2 && !document.body.innerText.includes('…')")
    equal(browser.js("return [...document.querySelectorAll('tbody a')].map((a) => a.textContent).join(' ')"),
          "customers orders", "the streams")
    browser.shoot("console-streams")
    browser.js("document.getElementById('search').focus()")
    browser.type("cust")
    browser.wait("return document.querySelectorAll('tbody tr').length === 1")
    browser.type("xx")
    browser.wait("return document.body.innerText.includes('Shorten what you search for')")
    ok(True, "a search that finds nothing says what to do")


def test_stream(browser, url):
    browser.go(page(url, "stream", "orders"))
    wanted = shards_of("orders")
    browser.wait("return document.querySelectorAll('.lineage rect').length === arguments[0]", wanted)
    ok(True, "the picture has all shards")
    browser.wait("return document.querySelectorAll('.records details').length >= 15")
    browser.js("window.kept = document.querySelector('.records details')")
    split()
    work()
    browser.wait("return document.querySelectorAll('.lineage rect').length === arguments[0]", wanted + 2)
    ok(True, "a split is seen as it happens")
    browser.wait("return document.querySelector('.records details') !== window.kept")
    psql("UPDATE orders SET status = 'sent', note = 'left at the door' WHERE id = %d" % (rounds * 100 + 1))
    browser.wait("return document.querySelector('.records summary').textContent.includes('changed: status, note')")
    browser.js("document.querySelector('.records summary').click()")
    browser.wait("return document.querySelector('.records table')")
    equal(browser.js("""return [...document.querySelectorAll('.records details[open] tr.changed')].map((row) =>
              [...row.children].map((cell) => cell.lastElementChild?.textContent ?? cell.textContent).join('|')).join(' ')"""),
          "changed|paid|sent changed|please ring|left at the door", "what has changed is marked, old beside new")
    ok(browser.js("""const cells = document.querySelectorAll('.records details[open] tr.changed td');
        const plain = document.querySelector('.records details[open] tr:not(.changed) td');
        return getComputedStyle(cells[0]).backgroundColor !== getComputedStyle(plain).backgroundColor &&
            getComputedStyle(cells[0]).backgroundColor !== getComputedStyle(cells[1]).backgroundColor"""),
       "... by colour, too")
    browser.shoot("console-stream")
    equal(browser.js("return new Set([...document.querySelectorAll('time')].map((t) => / UTC$/.test(t.title))).size"), 1,
          "times have UTC in their titles")
    psql("UPDATE orders SET note = '%s' WHERE id = %d" % (HOSTILE, rounds * 100 + 2))
    browser.wait("return document.querySelector('.records summary').textContent.includes('changed: note')")
    browser.js("document.querySelector('.records summary').click()")
    browser.wait("return document.querySelector('.records details').innerText.includes('<img src=x')")
    equal(browser.js("return document.querySelectorAll('main img, main script').length"), 0, "markup in data is text")
    browser.js("document.querySelector('.wide button').click()")
    browser.wait("return document.querySelector('#shard-title') && document.querySelector('section .records details')")
    equal(browser.focused().startswith("#shard-title"), True, "the records of a shard get the focus")


def test_addresses(browser, url):
    for address in ("", "#", "#/", "#/nothing", "#/constructor", "#/%", "#/streams/x/y"):
        browser.go("about:blank")
        browser.go(url + "/console" + address)
        browser.wait("return document.querySelectorAll('tbody tr').length === 2")
    ok(True, "every address leads to a view")
    browser.go(url + "/console#/stream/x")
    browser.wait("return document.querySelector('[role=alert]')?.textContent.includes('Invalid StreamArn')")
    ok(True, "a stream that is not there is told in words")


def test_readers(browser, url):
    for view, names in (("mappings", "public.send_mail public.ship_order"), ("consumers", "search_index warehouse")):
        browser.go(page(url, view))
        browser.wait("return document.querySelectorAll('.cards > li').length === 2")
        equal(browser.js("return [...document.querySelectorAll('.title')].map((h) => h.textContent).sort().join(' ')"), names, view)
        for _ in range(4):
            points = browser.js("return document.querySelector('.chart-line').getAttribute('d').length")
            work()
            browser.wait("return document.querySelector('.chart-line').getAttribute('d').length !== arguments[0]", points)
        ok(browser.js("""return [...document.querySelectorAll('.charts svg')].every((svg) =>
               svg.getAttribute('role') === 'img' && svg.getAttribute('aria-label').includes('now'))"""),
           view + ": charts grow, and say in words what they show")
        browser.js("document.querySelector('details').open = true")
        browser.wait("return document.querySelector('details table tbody tr')")
        browser.shoot("console-" + view)
    ok("no address for order -1" in browser_text_of(browser, page(url, "mappings")), "the last error of a mapping")
    browser.go(page(url, "workers"))
    browser.wait("return document.body.innerText.includes('launcher') && document.body.innerText.includes('dispatcher')")
    ok(True, "workers")


def browser_text_of(browser, url):
    browser.go(url)
    browser.wait("return document.querySelectorAll('.cards > li').length === 2")
    return browser.text()


def tab_to(browser, text):
    for _ in range(100):
        browser.press("Tab")
        if browser.focused().startswith(text):
            return
    raise AssertionError("the Tab key does not lead to " + text)


def test_redrive(browser, url):
    browser.go(page(url, "failed"))
    browser.wait("return document.querySelectorAll('.cards > li').length === 1")
    tab_to(browser, "Redrive")
    browser.press("Enter")
    browser.wait("return document.getElementById('ask').open")
    equal(browser.focused(), "#ask-no", "a question comes first, and its first answer is no")
    browser.press("Escape")
    browser.wait("return !document.getElementById('ask').open")
    equal(browser.focused(), "Redrive", "the focus comes back")
    browser.press("Enter", "Enter")
    browser.wait("return !document.getElementById('ask').open")
    equal(psql("SELECT count(*) FROM ddbstreams.failed_batches WHERE redrive_pending OR last_error IS NOT NULL OR redriven_at IS NOT NULL"),
          "0", "nothing is redriven without a yes")
    tab_to(browser, "Why it failed")
    browser.press("Enter")
    browser.wait("return document.body.innerText.includes('RetryAttemptsExhausted') && document.querySelector('.records summary')")
    browser.js("document.querySelector('.records summary').click()")
    ok(HOSTILE in browser.text(), "the records of the batch")
    browser.shoot("console-failed")
    browser.js("document.querySelector('.card button').focus()")
    browser.press("Enter")
    browser.wait("return document.getElementById('ask').open")
    browser.press("Tab", "Enter")
    browser.wait("return document.body.innerText.includes('The last redrive failed')")
    ok(True, "a batch that fails again says so")
    psql("INSERT INTO mended VALUES (1)")
    browser.wait("return !document.querySelector('.card button').disabled")
    browser.js("document.querySelector('.card button').focus()")
    browser.press("Enter")
    browser.wait("return document.getElementById('ask').open")
    browser.press("Tab", "Enter")
    browser.wait("return document.body.innerText.includes('redriven') && document.body.innerText.includes('Delivered.')")
    equal(psql("SELECT count(*) FROM ddbstreams.failed_batches WHERE redriven_at IS NOT NULL"), "1", "redriven, by keyboard alone")


def test_keyboard(browser, url):
    for view, table in (("streams", None), ("stream", "orders"), ("mappings", None), ("failed", None)):
        browser.go("about:blank")
        browser.go(page(url, view, table))
        browser.wait("return document.querySelector('main h1') && document.querySelector('main').children.length > 2")
        browser.wait("return document.querySelector('main a, main summary')")
        browser.js("document.getElementById('pause').click(); document.activeElement.blur()")
        time.sleep(1)
        wanted = browser.js("""return [...document.querySelectorAll('a[href], button, input, summary')].filter((e) =>
            !e.disabled && e.checkVisibility() && !e.closest('dialog')).length""")
        seen = []
        hidden = []
        for _ in range(wanted + 1):
            browser.press("Tab")
            state = browser.js("""const e = document.activeElement;
                if (e === document.body) return null;
                e.number ??= (window.numbers = (window.numbers ?? 0) + 1);
                const style = getComputedStyle(e);
                return [e.number, style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2, e.textContent.slice(0, 30)]""")
            if state is None:
                break
            seen.append(state[0])
            if not state[1]:
                hidden.append(state[2])
        equal(len(set(seen)), wanted, view + ": the Tab key leads to everything")
        equal(hidden, [], view + ": the focus is seen")
        equal(browser.js("return document.querySelector('.skip').number"), 1, view + ": the first stop skips to the content")
    browser.js("document.querySelector('.skip').focus()")
    browser.press("Enter")
    equal(browser.focused(), "#main", "... and does")
    equal(browser.js("""return [...document.querySelectorAll('input')].filter((e) => !e.labels.length).length +
        [...document.querySelectorAll('button, a')].filter((e) => !e.textContent.trim() && !e.ariaLabel).length"""), 0,
          "everything has a name")


def test_narrow(browser, url):
    for dark in (False, True):
        browser.size(390, 844, dark)
        for view, table in (("streams", None), ("stream", "orders"), ("mappings", None), ("consumers", None),
                            ("failed", None), ("workers", None)):
            browser.go(page(url, view, table))
            browser.wait("return document.querySelector('main h1') && document.querySelector('main').children.length > 2")
            browser.wait("return document.querySelector('main a, main summary, main td')")
            if view in ("stream", "failed"):
                browser.wait("return document.querySelector('.records summary, .card summary')")
                browser.js("document.querySelector('.records summary, .card summary').click()")
                time.sleep(1)
            equal(browser.js("return document.documentElement.scrollWidth"), 390,
                  "%s fits into 390 pixels%s" % (view, ", dark" if dark else ""))
            if (view, dark) in (("stream", True), ("mappings", False)):
                browser.shoot("console-narrow-" + view)
    browser.size(1280, 760)


def test_many(browser, url):
    begin = time.monotonic()
    browser.go(page(url, "streams"))
    browser.wait("return document.querySelectorAll('tbody tr').length === arguments[0]", min(50, many))
    listed = time.monotonic() - begin
    browser.wait("return !document.body.innerText.includes('…')")
    summed = time.monotonic() - begin
    ok("%d streams" % many in browser.text(), "%d streams of 64 shards" % many)
    if many > 50:
        browser.js("[...document.querySelectorAll('button')].find((b) => b.textContent === 'Further').click()")
        browser.wait("return document.body.innerText.includes('51 to')")
        ok(True, "the next page of them")
    browser.js("document.getElementById('search').focus()")
    browser.type("service_%d" % many)
    browser.wait("return document.querySelectorAll('tbody tr').length === 1")
    begin = time.monotonic()
    browser.go(page(url, "stream", "service_1", "many"))
    browser.wait("return document.querySelectorAll('.lineage rect').length === 64 && document.querySelector('.records summary')")
    ok(True, "a stream of 64 shards")
    print("    seconds: list %.1f, with all sums %.1f, one stream %.1f" % (listed, summed, time.monotonic() - begin))
    browser.shoot("console-64-shards")


def test_empty(browser):
    url = start_gateway("empty", "--no-auth")
    for view, text in (("streams", "enable_stream"), ("mappings", "create_event_source_mapping"),
                       ("consumers", "create_consumer"), ("failed", "No batch has been given up")):
        browser.go(page(url, view))
        browser.wait("return document.body.innerText.includes(arguments[0])", text)
        ok(True, view + ": an empty list says what to do")
    browser.go(start_gateway("bare", "--no-auth") + "/console")
    browser.wait("return document.body.innerText.includes('create extension ddbstreams')")
    ok(True, "a database without the extension")


def test_outage(browser, url):
    browser.go(page(url, "streams"))
    browser.wait("return document.querySelectorAll('tbody tr').length === 2")
    data = os.path.join(server, "data")
    subprocess.run(["pg_ctl", "stop", "-w", "-D", data, "-m", "fast"], check=True, stdout=subprocess.DEVNULL)
    browser.wait("return document.getElementById('status').textContent.includes('The database does not answer')")
    ok(browser.js("return document.querySelectorAll('tbody tr').length === 2"), "an outage is told, and what was shown stays")
    subprocess.run(["pg_ctl", "start", "-w", "-D", data, "-l", os.path.join(server, "log")], check=True,
                   stdout=subprocess.DEVNULL)
    browser.wait("return document.getElementById('status').textContent === ''")
    ok(True, "the page goes on by itself")


def test_policy(browser, url, violations):
    equal(violations, [], "nothing goes against the page's policy")
    browser.go(page(url, "streams"))
    browser.js("""const script = document.createElement('script');
        script.textContent = 'window.ran = true';
        document.head.append(script);
        document.body.setAttribute('style', 'color: red');
        fetch('https://example.com/').catch(() => null);""")
    browser.wait("return violations.length >= 3")
    ok(not browser.js("return window.ran"), "the policy holds")


def test_metrics(url):
    lines = fetch(url + "/metrics")
    for path in ("/metrics", "/metrics?shards=1"):
        checked = subprocess.run(["promtool", "check", "metrics"], input=fetch(url + path), text=True, capture_output=True)
        ok(checked.returncode == 0 and not checked.stderr.strip(), "promtool check " + path)
        print("".join("    " + line + "\n" for line in checked.stderr.splitlines()), end="")
    ok(re.search(r"^ddbstreams_stream_records\{", lines, re.M), "records of streams")
    folder = tempfile.mkdtemp()
    port = free_port()
    with open(os.path.join(folder, "prometheus.yml"), "w") as out:
        out.write("""
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: sums
    static_configs: [{targets: ['%(target)s']}]
  - job_name: shards
    params: {shards: ['1']}
    static_configs: [{targets: ['%(target)s']}]
""" % {"target": url.split("//")[1]})
    start("prometheus", "--config.file=" + os.path.join(folder, "prometheus.yml"),
          "--storage.tsdb.path=" + folder, "--web.listen-address=127.0.0.1:%d" % port)

    def ask(query):
        answer = fetch("http://127.0.0.1:%d/api/v1/query?query=%s" % (port, urllib.parse.quote(query)))
        result = json.loads(answer)["data"]["result"] if answer else []
        return float(result[0]["value"][1]) if result else None

    wait_until(lambda: ask("sum(up)") == 2, "Prometheus has scraped both")
    work()
    records = float(psql("SELECT sum(records) FROM ddbstreams.stream_stats"))
    wait_until(lambda: ask('sum(ddbstreams_stream_records{job="sums"})') == records, "Prometheus has all records")
    ok(True, "Prometheus has all records")
    wait_until(lambda: ask('sum(ddbstreams_shard_records{job="shards"})') == records, "Prometheus has those of each shard")
    ok(True, "... and those of each shard")
    wait_until(lambda: ask('sum(ddbstreams_mapping_shard_records_delivered_total{function="public.ship_order"})'
                           ' == bool sum(ddbstreams_mapping_records_delivered{job="sums",function="public.ship_order"})'),
               "counters and sums agree")
    ok(ask('count(ddbstreams_shard_records{job="sums"})') is None, "single shards come only if they are asked for")


def main():
    prepare_database()
    psql("CREATE EXTENSION ddbstreams", "many")
    filling = subprocess.Popen(
        ["psql", "-X", "-q", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1", "-d", "many"], stdin=subprocess.PIPE, text=True)
    for i in range(1, many + 1):
        filling.stdin.write("CREATE TABLE service_%d (id int PRIMARY KEY, t text);"
                            "SELECT ddbstreams.enable_stream('service_%d', shard_count => 64);"
                            "INSERT INTO service_%d SELECT g, 'text' FROM generate_series(1, 100) g;\n" % (i, i, i))
    filling.stdin.close()

    keys = os.path.join(tempfile.mkdtemp(), "keys")
    with open(keys, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
        out.write("AKTEST secret postgres\n")
    signed = start_gateway("shop", "--keys", keys)
    url = start_gateway("shop", "--no-auth")
    browser = Browser()
    violations = []
    errors = []

    def run(test, *args):
        try:
            test(browser, *args)
        except AssertionError as error:
            ok(False, "%s: %s" % (test.__name__, error))
            print("    " + browser.text()[:2000].replace("\n", "\n    "))
        violations.extend(browser.js("return window.violations ?? []"))
        errors.extend(entry["message"] for entry in browser.log() if entry["level"] == "SEVERE")

    run(test_signing_in, signed)
    equal([error for error in errors if "401" not in error], [], "signing in: no errors in the browser's console")
    errors.clear()
    run(test_streams, url)
    run(test_stream, url)
    run(test_addresses, url)
    run(test_readers, url)
    run(test_keyboard, url)
    run(test_narrow, url)
    run(test_redrive, url)
    run(test_empty)
    if filling.wait() == 0:
        run(test_many, start_gateway("many", "--no-auth"))
    else:
        ok(False, "the many streams could not be made")
    equal([error for error in errors if "stream=x" not in error], [], "no errors in the browser's console")
    try:
        test_metrics(url)
    except AssertionError as error:
        ok(False, "metrics: %s" % error)
    run(test_outage, url)
    found = list(violations)
    run(test_policy, url, found)


try:
    main()
finally:
    for process in processes:
        process.terminate()
sys.exit(len(failed) > 0)
