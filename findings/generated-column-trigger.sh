#!/bin/bash
#
# A BEFORE UPDATE trigger makes the UPDATE OF triggers of generated columns fire
# for every update.
#
# One would guess that a trigger AFTER UPDATE OF a generated column fires when
# the statement sets a column that it is computed from, as the manual says, and
# that other triggers of the table have no part in it.
#
# That is so only while the table has no BEFORE UPDATE trigger for each row. As
# soon as one exists, even one that is itself restricted to another column and
# does not fire, all stored generated columns count as changed.
#
# Whoever records changes by triggers and restricts them to some columns gets
# more records after somebody else adds a trigger. A change stream must compare
# the rows themselves.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
start_postgresql
sql <<'END'
create table t (id int primary key, a int, b int, doubled int generated always as (a * 2) stored);
create table fired (name text);
create function note() returns trigger language plpgsql as $$ begin insert into fired values (tg_name); return new; end $$;
create function nothing() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger of_doubled after update of doubled on t for each row execute function note();
insert into t values (1, 1, 1);
END
fires()
{
	sql -c 'truncate fired' -c "update t set $1 = $1 + 1" -c 'select count(*) from fired'
}
expect 'fires for a, which the column is computed from' "$(fires a)" 1
expect 'fires for b' "$(fires b)" 0
sql -c 'create trigger before_a before update of a on t for each row execute function nothing()'
expect 'fires for b, with a BEFORE UPDATE OF a trigger' "$(fires b)" 1
sql -c 'alter table t disable trigger before_a'
expect 'fires for b, with that trigger disabled' "$(fires b)" 1
finish
