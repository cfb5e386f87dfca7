# shellcheck shell=bash
#
# PostgreSQL's own logical replication, between two databases of one server
#
# Setting: wal_level = logical
# Setting: wal_retrieve_retry_interval = 1s

new_database publisher
say "version $(sql -c 'show server_version')"
sql -c "create table t (id int primary key, v int); create table u (id int primary key, v int);
	create table p (id int, v int, primary key (id)) partition by range (id);
	create table p1 partition of p for values from (0) to (1000);
	insert into t select i, 0 from generate_series(1, 50) as i; insert into u select * from t;
	create publication everything for all tables with (publish_via_partition_root);
	create publication named for table t, u, p with (publish_via_partition_root)"
new_database subscriber
sql -c "create table t (id int primary key, v int); create table u (id int primary key, v int);
	create table p (id int primary key, v int) partition by hash (id);
	create table p1 partition of p for values with (modulus 2, remainder 0);
	create table p2 partition of p for values with (modulus 2, remainder 1);
	select ddbstreams.enable_stream('t', shard_count => 2), ddbstreams.enable_stream('p', shard_count => 2)" >/dev/null

# A subscription to its own server needs a slot that exists already.
subscribe()
{
	database=publisher sql -c "select pg_create_logical_replication_slot('s', 'pgoutput')" >/dev/null
	sql -c "create subscription s connection 'host=$tmp/$server port=$port user=postgres dbname=publisher'
		publication $1 with (create_slot = false, slot_name = 's')"
}

works 'a subscription to a publication FOR ALL TABLES can be made where the extension is' \
	subscribe everything
says 'a notice says that it leaves out own tables' 'leaves out the tables of ddbstreams'
becomes 'the tables of the user are copied' '50|50' \
	'select (select count(*) from t), (select count(*) from u)'
becomes 'what is copied into a captured table is captured' 50 \
	"select count(*) from ddbstreams.changes(null::t) where event_name = 'INSERT'"
database=publisher sql -c "update t set v = v + 1; delete from t where id <= 10; insert into t select i, 0 from generate_series(51, 60) as i;
	insert into p select i, 0 from generate_series(1, 20) as i; update p set v = v + 1; truncate u"
becomes 'changes are applied' '50|0|20' 'select (select count(*) from t), (select count(*) from u), (select count(*) from p where v = 1)'
agrees 'and captured' t
agrees 'those of a table that is partitioned otherwise, too' p
database=publisher sql -c "truncate t"
becomes 'a TRUNCATE is applied' 0 'select count(*) from t'
agrees 'and captured as the removal of each row' t
sql -c 'drop subscription s'

# The publisher has a stream.
database=publisher sql -c "select ddbstreams.enable_stream('t', shard_count => 2)" >/dev/null
refused 'with a stream at the publisher, FOR ALL TABLES is refused at once' \
	'relation "ddbstreams_shards\.[a-z]+_[0-9]+" does not exist' subscribe everything
is 'and leaves no subscription' 0 'select count(*) from pg_subscription'
database=publisher sql -c "select pg_drop_replication_slot('s')" >/dev/null
sql -c "truncate t; truncate u; truncate p"
works 'named tables are subscribed all the same' subscribe named
becomes 'and copied' 20 'select count(*) from p'
database=publisher sql -c "insert into t select i, 0 from generate_series(1, 10) as i; update t set v = v + 1"
becomes 'and followed' 10 'select count(*) from t where v = 1'
agrees 'and captured at the subscriber' t
database=publisher
agrees 'and at the publisher' t
database=subscriber

# Own tables in a publication that names them
database=publisher sql -c "create publication own for table ddbstreams_shards.consumer_lease"
works 'a subscription to an own table leaves it out' \
	sql -c "alter subscription s set publication own, named"
says 'a notice says so' 'leaves out the tables of ddbstreams'
database=publisher sql -c "select ddbstreams.create_consumer('c', ddbstreams.latest_stream_arn('t'));
	select count(*) from ddbstreams.poll('c', 'w'); insert into t values (1001, 0)" >/dev/null
becomes 'and gets on' 1 'select count(*) from t where id = 1001'
is 'no row of an own table has come' 0 'select count(*) from ddbstreams_shards.consumer_lease'
sql -c 'drop subscription s'
