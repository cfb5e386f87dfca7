"""What monitoring/ has, at work: see test/monitoring.

	python3 test/monitoring.py [PICTURE]

PICTURE is a file for a picture of the dashboard, for which the load goes on for some
minutes.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

from checking import equal, failed, free_port, ok, psql, wait_until

picture = sys.argv[1] if len(sys.argv) > 1 else None
folder = tempfile.mkdtemp()
processes = []
ports = {}


# --- servers ------------------------------------------------------------------

def start(command, **environment):
    log = open(os.path.join(folder, os.path.basename(command[0]) + ".log"), "a")
    process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environment})
    processes.append(process)
    return process


def fetch(url):
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.read().decode()
    except OSError:
        return None


def start_exporters():
    where = "host=%s port=%s user=watcher dbname=shop" % (os.environ["PGHOST"], os.environ["PGPORT"])
    for job in ("gateway", "postgres-exporter", "sql-exporter", "prometheus"):
        ports[job] = free_port()
    start(["./ddbstreams-gateway", "--listen", "127.0.0.1:%d" % ports["gateway"], "--no-auth", where])
    start(["prometheus-postgres-exporter", "--web.listen-address=127.0.0.1:%d" % ports["postgres-exporter"],
           "--disable-default-metrics", "--disable-settings-metrics",
           "--extend.query-path=monitoring/postgres_exporter.yml"],
          DATA_SOURCE_NAME=where + " sslmode=disable")
    with open("monitoring/sql_exporter.yml") as source, open(folder + "/sql_exporter.yml", "w") as out:
        text = re.sub(r"postgres://\S+", "postgres://watcher@/shop?host=%s&port=%s&sslmode=disable"
                      % (os.environ["PGHOST"], os.environ["PGPORT"]), source.read())
        out.write(text.replace("interval: 15s", "interval: 1s"))
    start(["prometheus-sql-exporter", "-web.listen-address", "127.0.0.1:%d" % ports["sql-exporter"],
           "-config.file", folder + "/sql_exporter.yml"])


def start_prometheus():
    """With monitoring/prometheus.yml, whose ports and times are changed."""
    with open("monitoring/prometheus.yml") as source, open(folder + "/prometheus.yml", "w") as out:
        text = source.read().replace("15s", "1s")
        for port, job in (("8100", "gateway"), ("9187", "postgres-exporter"), ("9237", "sql-exporter")):
            text = text.replace("localhost:" + port, "127.0.0.1:%d" % ports[job])
        out.write(text)
    with open("monitoring/rules.yml") as source, open(folder + "/rules.yml", "w") as out:
        out.write(re.sub(r"for: \w+", "for: 2s", source.read()))
    start(["prometheus", "--config.file=%s/prometheus.yml" % folder, "--storage.tsdb.path=%s/data" % folder,
           "--web.listen-address=127.0.0.1:%d" % ports["prometheus"]])


def ask(path, **parameters):
    """Returns what Prometheus answers, or None while it does not."""
    answer = fetch("http://127.0.0.1:%d/api/v1/%s?%s" % (ports["prometheus"], path, urllib.parse.urlencode(parameters)))
    return None if answer is None else json.loads(answer)["data"]


def series(query):
    """Returns the values of a query by the labels that all jobs have in common."""
    data = ask("query", query=query)
    return None if data is None else {
        tuple(sorted((k, v) for k, v in one["metric"].items() if k not in ("job", "instance", "server"))):
        float(one["value"][1]) for one in data["result"]}


def firing():
    data = ask("alerts")
    return {(one["labels"]["alertname"], one["labels"].get("function", one["labels"].get("consumer")))
            for one in (data or {"alerts": []})["alerts"]
            if one["state"] == "firing" and one["labels"]["job"] == "ddbstreams-gateway"}


# --- what there is to see -----------------------------------------------------

SHOP = r"""
CREATE EXTENSION ddbstreams;
CREATE TABLE orders (id int PRIMARY KEY, status text);
CREATE TABLE customers (id int PRIMARY KEY, name text);
SELECT ddbstreams.enable_stream('orders', shard_count => 4);
SELECT ddbstreams.enable_stream('customers', shard_count => 2);
CREATE TABLE broken (reason text);
CREATE FUNCTION ship_order(event jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM broken WHERE reason = 'the carrier') THEN
		RAISE EXCEPTION 'the carrier does not answer';
	END IF;
END $$;
CREATE FUNCTION send_mail(event jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM broken WHERE reason = 'the post') THEN
		RAISE EXCEPTION 'the post does not answer';
	END IF;
END $$;
SELECT ddbstreams.create_event_source_mapping('ship_order', ddbstreams.latest_stream_arn('orders'), 'TRIM_HORIZON');
SELECT ddbstreams.create_event_source_mapping('send_mail', ddbstreams.latest_stream_arn('customers'), 'TRIM_HORIZON',
	maximum_retry_attempts => 0);
SELECT ddbstreams.create_consumer('warehouse', ddbstreams.latest_stream_arn('orders'));
"""

POLL = """
DO $$
DECLARE r record;
BEGIN
	FOR r IN SELECT shard_id, max(sequence_number) AS last FROM ddbstreams.poll('warehouse', 'anna', 1000) GROUP BY 1 LOOP
		PERFORM ddbstreams.checkpoint('warehouse', 'anna', r.shard_id, r.last);
	END LOOP;
END $$;
"""

written = 0


def work(rows=20):
    global written
    psql("INSERT INTO orders SELECT g, 'new' FROM generate_series(%d, %d) g;"
         "UPDATE orders SET status = 'paid' WHERE id BETWEEN %d AND %d AND id %% 3 = 0;"
         "INSERT INTO customers SELECT g, 'x' FROM generate_series(%d, %d) g WHERE g %% 5 = 0;"
         % ((written + 1, written + rows) * 3) + POLL)
    written += rows


@contextlib.contextmanager
def at_work():
    """Changes rows all the time in the background."""
    done = threading.Event()
    trouble = []

    def run():
        try:
            while not done.wait(0.3):
                # a wave, so that a picture has something to show
                work(20 + int(time.monotonic() / 4) % 12 * 8)
        except subprocess.CalledProcessError as error:
            trouble.append(error.stderr)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    equal(trouble, [], "the load has passed")


def panels():
    """Yields each panel of the dashboard, with its queries as Grafana would send them."""
    with open("monitoring/dashboard.json") as source:
        dashboard = json.load(source)
    for panel in dashboard["panels"]:
        yield panel, [(target["expr"].replace("$__rate_interval", "10s").replace("$job", "ddbstreams-gateway")
                       .replace("$instance", ".*"), target["legendFormat"]) for target in panel["targets"]]


# --- the tests ----------------------------------------------------------------

def test_files():
    for command in (["promtool", "check", "config", "monitoring/prometheus.yml"],
                    ["promtool", "check", "rules", "monitoring/rules.yml"],
                    ["promtool", "test", "rules", "monitoring/rules_test.yml"]):
        done = subprocess.run(command, capture_output=True, text=True)
        ok(done.returncode == 0, " ".join(command), done.stdout + done.stderr)
    with open("monitoring/rules.yml") as source:
        alerts = set(re.findall(r"alert: (\w+)", source.read()))
    with open("monitoring/rules_test.yml") as source:
        equal(set(re.findall(r"alertname: (\w+)", source.read())), alerts, "each alert has a test")


def test_scraped():
    wait_until(lambda: series("ddbstreams_up") is not None, "Prometheus answers")
    jobs = ["ddbstreams-" + job for job in ("gateway", "postgres-exporter", "sql-exporter")]
    for job in jobs:
        wait_until(lambda: series('sum(ddbstreams_stream_records{job="%s"}) > 0' % job), job + " is scraped")
        ok(True, job + " is scraped")
    names = [name for name in ask("label/__name__/values") if name.startswith("ddbstreams_")
             and not re.match("ddbstreams_(gateway_|up$)", name)]
    ok(len(names) >= 35, "there are metrics", names)
    equal([name for name in names if name.startswith("sql_") or "_state_" in name], [], "their names are the gateway's")
    # At rest all jobs show the same: all names and labels, and values that do not depend on the moment.
    moment = re.compile("lag_seconds|last_run|records_per_second|attempts|bytes|timestamp")
    for name in names:
        def shown(job):
            found = series('%s{job="%s"} == %s' % (name, job, name) if "timestamp" in name else '%s{job="%s"}' % (name, job)) or {}
            return {labels: None if moment.search(name) else round(value, 6) for labels, value in found.items()}

        def same():
            found = [shown(job) for job in jobs]
            # nothing fails yet
            return (found[0] or "failing_since" in name) and found[0] == found[1] == found[2]

        try:
            wait_until(same, name)
            ok(True, name)
        except AssertionError:
            ok(False, name, "\n".join("%s: %s" % (job, shown(job)) for job in jobs))
    records = float(psql("SELECT sum(records) FROM ddbstreams.append_stats"))
    equal(sum(series('ddbstreams_append_records_total{job="ddbstreams-gateway"}').values()), records,
          "the records that were appended")


def test_alerts():
    """An alert fires when a handler is broken, and ends when it is mended."""
    equal({one for one in firing() if one[1] != "warehouse"}, set(), "no alert fires")
    psql("INSERT INTO broken VALUES ('the carrier')")
    with at_work():
        wait_until(lambda: ("DdbstreamsShardBlocked", "public.ship_order") in firing(), "the alert fires")
        ok(True, "a broken handler: the alert DdbstreamsShardBlocked fires")
        if picture:
            time.sleep(40)
        test_dashboard()
        psql("DELETE FROM broken")
        wait_until(lambda: not [one for one in firing() if one[0] == "DdbstreamsShardBlocked"], "the alert ends")
        ok(True, "... and ends when the handler is mended")
        psql("INSERT INTO broken VALUES ('the post')")
        wait_until(lambda: ("DdbstreamsBatchGivenUp", "public.send_mail") in firing(), "the alert fires")
        ok(True, "a handler without retries: the alert DdbstreamsBatchGivenUp fires")
        psql("DELETE FROM broken")
        if picture:
            time.sleep(30)


def test_dashboard():
    now = time.time()
    for panel, queries in panels():
        for query, legend in queries:
            data = ask("query_range", query=query, start=now - 10, end=now, step=1)
            ok(data and data["result"], "dashboard: %s: %s" % (panel["title"], legend or "the value"), query)
            for one in (data or {"result": []})["result"]:
                missing = [name for name in re.findall(r"{{(\w+)}}", legend) if not one["metric"].get(name)]
                if missing:
                    ok(False, "dashboard: %s has labels %s" % (panel["title"], missing))


# --- the picture ----------------------------------------------------------------

def scaled(value, unit):
    if unit == "s":
        return ("%.0f µs" % (value * 1e6) if value < 1e-3 else "%.1f ms" % (value * 1e3) if value < 1
                else "%.1f s" % value if value < 60 else "%.1f min" % (value / 60))
    if unit == "percentunit":
        return "%.3g %%" % (value * 100)
    if unit == "bytes":
        return "%.1f MB" % (value / 1e6) if value >= 1e6 else "%.0f kB" % (value / 1e3)
    return "%.4g" % value


def draw(begin, end):
    """Draws the dashboard's panels where dashboard.json places them, in its colours."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter, MaxNLocator
    pyplot.rcParams.update({"font.size": 8, "axes.titlesize": 9, "axes.titlelocation": "left", "axes.titleweight": "bold",
                            "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.3})
    all_panels = list(panels())
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel, _ in all_panels)
    figure = pyplot.figure(figsize=(11, height * 0.28), dpi=100)
    colours = {"green": "#3a9b5c", "orange": "#e08b27", "red": "#c9403a"}
    for panel, queries in all_panels:
        place = panel["gridPos"]
        unit = panel["fieldConfig"]["defaults"]["unit"]
        pad = 0.9 if panel["type"] == "stat" else 1.9
        axes = figure.add_axes([(place["x"] + pad) / 24, 1 - (place["y"] + place["h"] - 2.4 * (panel["type"] != "stat")) / height,
                                (place["w"] - pad - 0.3) / 24, (place["h"] - 1.1 - 2.4 * (panel["type"] != "stat")) / height])
        axes.set_title(panel["title"])
        if panel["type"] == "stat":
            value = float(ask("query", query=queries[0][0], time=end)["result"][0]["value"][1])
            colour = [step["color"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
                      if step["value"] is None or value >= step["value"]][-1]
            axes.set_facecolor(colours[colour])
            axes.text(0.5, 0.5, scaled(value, unit), color="white", fontsize=15, ha="center", va="center",
                      transform=axes.transAxes)
            axes.set(xticks=[], yticks=[])
            continue
        for query, legend in queries:
            for one in ask("query_range", query=query, start=begin, end=end, step=1)["result"]:
                label = re.sub(r"{{(\w+)}}", lambda match: one["metric"].get(match[1], ""), legend)
                points = [(at - begin, float(value)) for at, value in one["values"] if value != "NaN"]
                axes.plot([at for at, _ in points], [value for _, value in points], linewidth=1.3, label=label)
        axes.set_ylim(bottom=0)
        axes.set_xlim(0, end - begin)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: "%d:%02d" % (at // 60, at % 60)))
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 3, 6]))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _, unit=unit: scaled(value, unit)))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False, fontsize=7,
                    ncol=2)
    figure.savefig(picture)


def main():
    test_files()
    psql("CREATE ROLE watcher LOGIN IN ROLE pg_monitor; CREATE DATABASE shop", "postgres")
    psql(SHOP)
    start_exporters()
    start_prometheus()
    work()
    wait_until(lambda: psql("SELECT coalesce(sum(records_delivered), 0) = sum(a.records) FROM ddbstreams.append_stats a"
                            " JOIN (SELECT stream_arn, sum(records_delivered) AS records_delivered"
                            " FROM ddbstreams.mapping_stats GROUP BY 1) m USING (stream_arn)") == "t",
               "mappings are up to date")
    wait_until(lambda: psql(POLL + "SELECT sum(lag_records) FROM ddbstreams.consumer_stats") == "0", "the consumer is")
    test_scraped()
    begin = time.time()
    if picture:
        with at_work():
            time.sleep(40)
    test_alerts()
    if picture:
        draw(begin + 10, time.time())


try:
    main()
except AssertionError as error:
    ok(False, str(error))
finally:
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait()
if failed:
    for name in sorted(os.listdir(folder)):
        if name.endswith(".log"):
            with open(os.path.join(folder, name)) as log:
                print("--- the end of %s\n%s" % (name, "".join(log.readlines()[-15:])))
sys.exit(len(failed) > 0)
