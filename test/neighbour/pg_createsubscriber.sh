# shellcheck shell=bash
#
# pg_createsubscriber makes a logical subscriber of a physical standby.
#
# Package: postgresql-VERSION
# PostgreSQL: 17
# Elsewhere: trixie
# Setting: wal_level = logical
# Setting: max_replication_slots = 20

new_database source
say "version $(client pg_createsubscriber --version)"
sql -c "create table t (id int primary key, v int);
	create table effects (n bigserial primary key, server text, id text);
	create function handler(event jsonb) returns void language sql as \$\$
		insert into effects (server, id) select (select system_identifier::text from pg_control_system()), e->>'eventID'
		from jsonb_array_elements(event->'Records') as e \$\$;
	select ddbstreams.enable_stream('t', shard_count => 2);
	select ddbstreams.create_event_source_mapping('handler', ddbstreams.latest_stream_arn('t'), 'TRIM_HORIZON');
	insert into t select i, 0 from generate_series(1, 100) as i" >/dev/null
becomes 'the handler has the records' 100 'select count(*) from effects'

standby=$tmp/standby
as_owner mkdir "$standby"
client pg_basebackup -D "$standby/data" -R -X stream -c fast >/dev/null
sed -i "s|^unix_socket_directories = .*|unix_socket_directories = '$standby'|" "$standby/data/postgresql.conf"
works 'pg_createsubscriber makes a subscriber' client pg_createsubscriber -D "$standby/data" \
	-P "host=$tmp/$server port=$port user=postgres" -d source -p "$port" -s "$standby" -U postgres
as_owner pg_ctl start -w -D "$standby/data" -l "$standby/log" >/dev/null 2>&1
sql -c 'insert into t select i, 0 from generate_series(101, 200) as i; update t set v = v + 1'
becomes 'the handler of the publisher goes on' 400 'select count(*) from effects'
agrees 'the publisher has all changes' t
old=$(sql -c 'select system_identifier from pg_control_system()')
server=standby
becomes 'the subscriber has the rows' 200 'select count(*) from t where v = 1'
becomes 'its mapping is Disabled' Disabled 'select state from ddbstreams.list_event_source_mappings()'
agrees 'it captures what it applies' t
is 'its handler has done nothing' 0 "select count(*) from effects where server <> '$old'"
is 'no subscription has an own table' 0 "select count(*) from pg_subscription_rel as r join pg_class as c on c.oid = srrelid
	where relnamespace = 'ddbstreams_shards'::regnamespace"
server=pg_createsubscriber
sql -c "select ddbstreams.roll_over(ddbstreams.latest_stream_arn('t'))" -c 'insert into t values (1001, 0)' >/dev/null
server=standby
becomes 'a roll-over at the publisher does not stop it' 1 'select count(*) from t where id = 1001'
works 'it rolls over and disables by itself' sql -c "select ddbstreams.roll_over(ddbstreams.latest_stream_arn('t'))" \
	-c "select ddbstreams.disable_stream('t')"
as_owner pg_ctl stop -w -m fast -D "$standby/data" >/dev/null
