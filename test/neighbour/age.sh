# shellcheck shell=bash
#
# Apache AGE: the label tables of a graph, which Cypher statements write to
#
# Package: postgresql-VERSION-age
# Elsewhere: trixie
# Preload: age

new_database graphs
sql -c 'create extension age'
say "version $(sql -c "select extversion from pg_extension where extname = 'age'")"
sql -c "set search_path = ag_catalog, public" -c "select create_graph('people')" \
	-c "select * from cypher('people', \$\$ create (:Person {name: 'ada'})-[:KNOWS]->(:Person {name: 'bob'}) \$\$) as (a agtype)" >/dev/null 2>&1
sql -c "create table t (id int primary key, v int);
	select ddbstreams.enable_stream('t', shard_count => 2)" >/dev/null
sql -c "set search_path = ag_catalog, public" -c 'alter table people."Person" add primary key (id)'
refused 'a label gets no stream' 'a label of Apache AGE' \
	sql -c "select ddbstreams.enable_stream('people.\"Person\"')"
refused 'nor does an edge, nor what they inherit from' 'a label of Apache AGE' \
	sql -c "select ddbstreams.enable_stream('people._ag_label_edge')"
start_writer
stop_writer
agrees 'a common table beside a graph is captured' t
works 'DDL on it' sql -c 'alter table t add w int; truncate t'
works 'a trigger on a table may write to a graph' sql -c "
	create function to_graph() returns trigger language plpgsql as \$f\$
	begin
		execute format('select * from ag_catalog.cypher(''people'', \$c\$ create (:Event {id: %s}) \$c\$) as (a ag_catalog.agtype)', new.id);
		return null;
	end \$f\$;
	create trigger to_graph after insert on t for each row execute function to_graph();
	insert into t values (1, 0, 0)"
agrees 'and is captured' t
# A preloaded AGE breaks commands in databases that do not have it.
new_database without_age
sql -c "create table t (id int primary key, v int); select ddbstreams.enable_stream('t', shard_count => 1); insert into t values (1, 0)" >/dev/null
for command in 'truncate t' 'drop table x'; do
	output=$(sql -c 'create table if not exists x (id int)' -c "$command" 2>&1) || say "# $command without AGE: $output"
done
sql -c 'create extension age' -c 'truncate t' -c 'insert into t values (2, 0)'
agrees 'once the extension is there, the stream agrees with the table' t
works 'and tables can be dropped' sql -c 'drop table t'
