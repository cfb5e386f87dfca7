#!/bin/bash
#
# wal2json writes NaN and the infinities as null.
#
# One would guess a string, as PostgreSQL's own to_json() and pgq's trigger
# make, since JSON has no such numbers.
#
# The value becomes null, the same as for a NULL. A consumer cannot tell them
# apart. Infinite timestamps are kept, because they are strings anyway.
#
# DynamoDB's typed JSON has no such numbers either. A change stream in its form
# writes {"S":"NaN"}: another tag, but nothing is lost.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
debian_packages postgresql-15-wal2json
settings=(output_plugin_libraries=wal2json)
start_debian
sql <<'END'
select from pg_create_logical_replication_slot('s', 'wal2json');
create table t (id int primary key, n numeric, f float8, at timestamptz);
insert into t values (1, 'NaN', 'NaN', 'infinity'), (2, 'Infinity', '-Infinity', '-infinity'), (3, null, null, null);
END
seen=$(sql -c "select string_agg(change -> 'columnvalues' #>> '{}', ' ') from pg_logical_slot_peek_changes('s', null, null),
	json_array_elements(data::json -> 'change') change")
expect 'rows' "$seen" '[1,null,null,"infinity"] [2,null,null,"-infinity"] [3,null,null,null]'
expect 'to_json' "$(sql -c "select to_json('NaN'::numeric), to_json('-Infinity'::float8)")" '"NaN"|"-Infinity"'
finish
