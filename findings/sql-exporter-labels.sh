#!/bin/bash
#
# prometheus-sql-exporter leaves out rows whose label is NULL, or no text, and
# may call the scrape a success.
#
# One would guess that a NULL label becomes an empty one, as in
# prometheus-postgres-exporter, that a number becomes its digits, or that
# sql_exporter_last_scrape_failed tells.
#
# The row is missing. The scrape counts as failed only if that is the query's last
# row; else only the log has "must be type text". A bool or a timestamp as the
# value loses its row in the same way.
#
# So an alert on a lag by consumer or shard stays silent for the row where the
# label is a number, or not known. Queries cast labels to text and values to
# float8, and replace NULL.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
debian_packages prometheus-sql-exporter
start_debian
web=127.0.0.1:$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$scratch/queries.yml" <<END
jobs:
- name: lags
  interval: 1s
  connections: ['postgres://postgres@127.0.0.1:$PGPORT/postgres?sslmode=disable']
  queries:
  - name: by_text
    labels: [label]
    values: [lag]
    query: "select label, lag from (values (null, 2::float8), ('a', 1)) q (label, lag)"
  - name: null_last
    labels: [label]
    values: [lag]
    query: "select label, lag from (values ('a', 1::float8), (null, 2)) q (label, lag)"
  - name: by_number
    labels: [label]
    values: [lag]
    query: "select label, lag from (values (7, 1::float8)) q (label, lag)"
  - name: by_value
    labels: [label]
    values: [lag]
    query: "select label, lag from (values ('a', true)) q (label, lag)"
END
"$packages/usr/bin/prometheus-sql-exporter" -config.file "$scratch/queries.yml" -web.listen-address "$web" >"$scratch/log" 2>&1 &
exporter=$!
for _ in {1..100}; do
	metrics=$(python3 -c 'import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())' "http://$web/metrics" 2>/dev/null || true)
	[ "$(grep -c '^sql_exporter_last_scrape_failed' <<<"$metrics")" -lt 4 ] || break
	sleep 0.2
done
kill "$exporter"

# failed QUERY: 1 if the last scrape counts as failed
failed()
{
	sed -n "s/^sql_exporter_last_scrape_failed{.*query=\"$1\".* //p" <<<"$metrics"
}

# rows QUERY: the labels and values that are there
rows()
{
	sed -n "s/^sql_$1{.*label=\"\([^\"]*\)\".*} /\1 /p" <<<"$metrics"
}

expect 'a row with label NULL, a row with label a' "$(rows by_text)" 'a 1'
expect '... failed' "$(failed by_text)" 0
expect 'a row with label a, a row with label NULL' "$(rows null_last)" 'a 1'
expect '... failed' "$(failed null_last)" 1
expect 'a row with label 7' "$(rows by_number)" ''
expect '... failed, as no row is left' "$(failed by_number)" 1
expect 'a row with the value true' "$(rows by_value)" ''
expect '... failed, as no row is left' "$(failed by_value)" 1
finish
