#!/bin/bash
#
# On a subscriber, UPDATE OF triggers fire for columns that nobody set.
#
# One would guess that replication applies an update as it was made: a trigger
# AFTER UPDATE OF c, enabled always, fires when the publisher's statement sets c.
#
# The protocol carries rows, not statements, and the worker marks every column
# that it received as updated. The trigger fires for each update, unless its
# column holds a large value that is stored out of line and did not change: then
# that column was not sent, and only then the trigger keeps quiet.
#
# A stream on a subscriber's table must not be made by column-specific triggers,
# and must compare the rows to leave out what did not change.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
start_postgresql
sql <<'END'
create table t (id int primary key, c int, d int, large text);
alter table t alter large set storage external;
insert into t values (1, 1, 1, 'short'), (2, 1, 1, repeat('x', 10000));
create publication p for table t;
create database subscriber;
select from pg_create_logical_replication_slot('s', 'pgoutput');
END
sql -d subscriber <<END
create table t (id int primary key, c int, d int, large text);
create table fired (name text, id int);
create function note() returns trigger language plpgsql as
	\$\$ begin insert into public.fired values (tg_name, new.id); return null; end \$\$;
create trigger of_c after update of c on t for each row execute function note();
create trigger of_d after update of d on t for each row execute function note();
create trigger of_large after update of large on t for each row execute function note();
alter table t enable always trigger of_c;
alter table t enable always trigger of_d;
alter table t enable always trigger of_large;
insert into t values (1, 1, 1, 'short'), (2, 1, 1, repeat('x', 10000));
create subscription s connection 'dbname=postgres host=127.0.0.1 port=$PGPORT user=postgres'
	publication p with (create_slot = false, slot_name = s, copy_data = false);
END
fires()
{
	sql -d subscriber -c "select coalesce(string_agg(name, ' ' order by name), '-') from fired where id = $1"
}
sql -c 'update t set d = 2'
for _ in $(seq 300); do
	[ "$(sql -d subscriber -c 'select count(*) from t where d = 2')" -lt 2 ] || break
	sleep 0.1
done
expect 'set d, large value stored in line' "$(fires 1)" 'of_c of_d of_large'
expect 'set d, large value stored out of line' "$(fires 2)" 'of_c of_d'
sql -d subscriber -c 'truncate fired' -c 'update t set d = 3'
expect 'the same statement run on the subscriber' "$(fires 1)" 'of_d'
sql -d subscriber -c 'drop subscription s' >/dev/null 2>&1
finish
