#!/bin/bash
#
# prometheus-postgres-exporter leaves out values of type interval, and calls the
# scrape a success.
#
# One would guess seconds, as a timestamp becomes seconds, or an error that
# pg_exporter_last_scrape_error tells.
#
# There is no such sample, but for the rows where the interval is NULL, which are
# NaN. The scrape counts as good; the log has a line of level info. A timestamp
# infinity is +Inf, and NULL is NaN for counters as well.
#
# PostgreSQL's own lags (pg_stat_replication.replay_lag) and the age of a change
# stream's records are intervals. Queries for monitoring return
# extract(epoch from ...).

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
debian_packages prometheus-postgres-exporter
start_debian
web=127.0.0.1:$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$scratch/queries.yml" <<'END'
age:
  query: "select name, lag, at, extract(epoch from lag)::float8 as seconds from (values ('a', interval '2 hours', timestamptz '2026-01-01Z'), ('b', null, 'infinity')) q (name, lag, at)"
  metrics:
    - name: {usage: LABEL}
    - lag: {usage: GAUGE}
    - at: {usage: GAUGE}
    - seconds: {usage: COUNTER}
END
DATA_SOURCE_NAME="host=127.0.0.1 port=$PGPORT user=postgres dbname=postgres sslmode=disable" \
	PG_EXPORTER_EXTEND_QUERY_PATH="$scratch/queries.yml" \
	"$packages/usr/bin/prometheus-postgres-exporter" --web.listen-address="$web" \
	--disable-default-metrics --disable-settings-metrics >"$scratch/log" 2>&1 &
exporter=$!
for _ in {1..100}; do
	metrics=$(python3 -c 'import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())' "http://$web/metrics" 2>/dev/null || true)
	! grep -q '^age_' <<<"$metrics" || break
	sleep 0.2
done
kill "$exporter"

# samples METRIC: names and values that are there
samples()
{
	sed -n "s/^age_$1{.*name=\"\([^\"]*\)\".*} /\1 /p" <<<"$metrics" | paste -s -d ' '
}

expect 'interval of two hours, and NULL' "$(samples lag)" 'b NaN'
expect 'timestamp, and infinity' "$(samples at)" 'a 1.7672256e+09 b +Inf'
expect 'seconds, and NULL' "$(samples seconds)" 'a 7200 b NaN'
expect 'error of the scrape' "$(sed -n 's/^pg_exporter_last_scrape_error //p' <<<"$metrics")" 0
finish
