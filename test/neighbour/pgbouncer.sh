# shellcheck shell=bash
#
# pgbouncer in transaction mode: each transaction of a client may be run by
# another backend.
#
# Package: python3-psycopg
# Unpack: pgbouncer
# Elsewhere: trixie

new_database pooled
sql -c "create table t (id int primary key, v int);
	select ddbstreams.enable_stream('t', shard_count => 2);
	select ddbstreams.create_consumer('c', ddbstreams.latest_stream_arn('t'));
	create table effects (shard_id text, sequence_number text, primary key (shard_id, sequence_number))" >/dev/null
bouncer=$tmp/unpacked/usr/sbin/pgbouncer
as_owner mkdir "$tmp/bouncer"
prepares=$("$bouncer" --version | sed -n 's/^PgBouncer 1\.\([0-9]*\).*/\1/p')
say "version $("$bouncer" --version | head -n 1)"
# From 1.21 on it follows prepared statements from backend to backend.
as_owner tee "$tmp/bouncer/ini" >/dev/null <<END
[databases]
pooled = host=$tmp/$server port=$port dbname=pooled user=postgres
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = $tmp/bouncer
auth_type = any
pool_mode = transaction
default_pool_size = 3
ignore_startup_parameters = extra_float_digits
$([ "$prepares" -lt 21 ] || say 'max_prepared_statements = 50')
END
as_owner "$bouncer" -q "$tmp/bouncer/ini" >"$tmp/bouncer/log" 2>&1 &
for try in {1..100}; do
	[ ! -S "$tmp/bouncer/.s.PGSQL.6432" ] || break
	sleep 0.1
done
as_owner tee "$tmp/bouncer.py" >/dev/null <<'END'
import json, sys, threading
import psycopg

conninfo, threshold = sys.argv[1], int(sys.argv[2]) if sys.argv[2] else None


def connect():
    return psycopg.connect(conninfo, autocommit=True, prepare_threshold=threshold)


def check(what, good):
    print("ok" if good else "not ok", what)


def write(who):
    with connect() as db:
        for i in range(100):
            with db.transaction():
                db.execute("select set_config('ddbstreams.user_identity', %s, true)", ["User:w%d" % who])
                db.execute("insert into t values (%s, 0)", [who * 1000 + i])
                db.execute("update t set v = v + 1 where id = %s", [who * 1000 + i])
            # another client of the pool has no identity
            if i % 10 == 0:
                db.execute("insert into t values (%s, 0)", [who * 1000 + 500 + i])


threads = [threading.Thread(target=write, args=(who,)) for who in range(1, 7)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()

with connect() as db, connect() as other:
    check("more clients than backends have written", db.execute("select count(*) from t").fetchone()[0] == 660)
    arn = db.execute("select ddbstreams.latest_stream_arn('t')").fetchone()[0]
    found = []
    for (shard,) in db.execute("select shard_id from ddbstreams.describe_stream(%s)", [arn]).fetchall():
        iterator = db.execute("select ddbstreams.get_shard_iterator(%s, %s, 'TRIM_HORIZON')", [arn, shard]).fetchone()[0]
        # each page through another connection
        turn = 0
        while True:
            turn += 1
            page = (db, other)[turn % 2].execute(
                "select keys->'id'->>'N', event_name, user_identity, next_shard_iterator"
                " from ddbstreams.get_records(%s, 50)", [iterator]).fetchall()
            if not page:
                break
            found += page
            iterator = page[-1][3]
    check("iterators go from backend to backend", len(found) == 6 * 210)
    check("user_identity is that of the transaction", all(
        (identity or {}).get("principalId") == ("w%d" % (int(key) // 1000) if int(key) % 1000 < 500 else None)
        for key, _, identity, _ in found))
    first = db.execute("select ddbstreams.get_shard_iterator(%s, %s, 'LATEST')", [arn, shard]).fetchone()[0]
    check("wait_for_records ends at its time-out", db.execute(
        "select ddbstreams.wait_for_records(%s, '100 ms')", [first]).fetchone()[0] is False)
    answer = db.execute("select ddbstreams.aws('GetRecords', %s)", [json.dumps({"ShardIterator": first})]).fetchone()[0]
    check("aws() answers", "Records" in answer)


def consume(who):
    empty = 0
    with connect() as db:
        while empty < 20:
            with db.transaction():
                rows = db.execute("select shard_id, sequence_number from ddbstreams.poll('c', %s, 40, '200 ms')",
                                  ["w%d" % who]).fetchall()
                last = {}
                for shard, number in rows:
                    db.execute("insert into effects values (%s, %s)", [shard, number])
                    last[shard] = number
                for shard, number in last.items():
                    db.execute("select ddbstreams.checkpoint('c', %s, %s, %s)", ["w%d" % who, shard, number])
            empty = 0 if rows else empty + 1
            if db.execute("select count(*) from effects").fetchone()[0] == 1260:
                return


threads = [threading.Thread(target=consume, args=(who,)) for who in range(1, 3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with connect() as db:
    check("poll and checkpoint deliver each record exactly once",
          db.execute("select count(*) from effects").fetchone()[0] == 1260)
END
client timeout 300 python3 "$tmp/bouncer.py" "host=$tmp/bouncer port=6432 dbname=pooled user=postgres" \
	"$([ "$prepares" -lt 21 ] || say 2)"
agrees 'the stream agrees with the table' t
kill %1
