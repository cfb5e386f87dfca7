#!/bin/bash
#
# A virtual generated column is NULL in a trigger's rows and in logical decoding,
# while the same trigger's WHEN, and RETURNING, have its value.
#
# One would guess that NEW has what the table shows, at least after the change,
# and that a trigger which fired because the column changed can say what it is
# now.
#
# Since PostgreSQL 18 generated columns are virtual unless said otherwise. Their
# values are made where a query names the table. A trigger's NEW, to_jsonb() of
# it, transition tables and test_decoding have a null there, the same as for a
# column that is NULL. WHEN (OLD.v IS DISTINCT FROM NEW.v) goes by the value, and
# OLD and NEW of RETURNING have it.
#
# A column that is made without the word STORED on a newer server is NULL for
# whatever records changes by rows, without an error. A change stream has to
# compute the expression for both of its images.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
start_postgresql
sql <<'END' >/dev/null
create table t (id int primary key, a int, v int generated always as (a * 2), s int generated always as (a * 3) stored);
create table seen (what text, seen jsonb);

create function note_row() returns trigger language plpgsql as $$
begin
	insert into seen values (tg_argv[0], to_jsonb(new)), (tg_argv[0] || ', NEW.v', coalesce(to_jsonb(new.v), 'null'));
	return new;
end $$;
create function note_table() returns trigger language plpgsql as $$
begin
	insert into seen select 'transition table', to_jsonb(n) from n;
	return null;
end $$;
create trigger b before insert on t for each row execute function note_row('before');
create trigger a after insert on t for each row execute function note_row('after');
create trigger n after insert on t referencing new table as n for each statement execute function note_table();
create trigger w after update on t for each row when (old.v is distinct from new.v) execute function note_row('when v changes');

select pg_create_logical_replication_slot('d', 'test_decoding');
insert into t values (1, 5);
update t set a = a;
END
noted()
{
	sql -c "select coalesce(string_agg(seen::text, ' '), 'did not fire') from seen where what = '$1'"
}
expect 'the table' "$(sql -c 'select to_jsonb(t) from t')" '{"a": 5, "s": 15, "v": 10, "id": 1}'
expect 'a BEFORE trigger' "$(noted before)" '{"a": 5, "s": null, "v": null, "id": 1}'
expect 'an AFTER trigger' "$(noted after)" '{"a": 5, "s": 15, "v": null, "id": 1}'
expect 'its NEW.v' "$(noted 'after, NEW.v')" null
expect 'a transition table' "$(noted 'transition table')" '{"a": 5, "s": 15, "v": null, "id": 1}'
expect 'WHEN, v did not change' "$(noted 'when v changes')" 'did not fire'
expect 'RETURNING' "$(sql -c 'update t set a = 6 returning old.v, new.v')" '10|12'
expect 'WHEN, v changed' "$(noted 'when v changes')" '{"a": 6, "s": 18, "v": null, "id": 1}'
decoded=$(sql -c "select data from pg_logical_slot_get_changes('d', null, null) where data ~ '^table public.t: INSERT'")
expect 'test_decoding' "$decoded" 'table public.t: INSERT: id[integer]:1 a[integer]:5 v[integer]:null s[integer]:15'
finish
