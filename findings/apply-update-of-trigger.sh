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
END
publish
at_subscriber <<END
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
END
subscribe
fires()
{
	at_subscriber -c "select coalesce(string_agg(name, ' ' order by name), '-') from fired where id = $1"
}
sql -c 'update t set d = 2'
await_at_subscriber "count(*) = 2 from t where d = 2"
expect 'set d, large value stored in line' "$(fires 1)" 'of_c of_d of_large'
expect 'set d, large value stored out of line' "$(fires 2)" 'of_c of_d'
at_subscriber -c 'truncate fired' -c 'update t set d = 3'
expect 'the same statement run on the subscriber' "$(fires 1)" 'of_d'
unsubscribe
finish
