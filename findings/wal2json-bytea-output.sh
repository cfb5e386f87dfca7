#!/bin/bash
#
# wal2json writes wrong bytes when the reading session has bytea_output = escape.
#
# One would guess that it writes a bytea in hexadecimal, whatever the session
# says, or in the session's form.
#
# It takes the session's text and drops the first two characters, which are \x
# in the one form only. In the other form they are part of the data: the byte ff
# is written as 77, without an error, and that reads as another byte.
#
# The setting can come from ALTER DATABASE or ALTER ROLE, years before somebody
# connects a consumer. A change stream has to encode the bytes themselves.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
debian_packages postgresql-15-wal2json
settings=(output_plugin_libraries=wal2json)
start_debian
sql <<'END'
select from pg_create_logical_replication_slot('s', 'wal2json');
create table t (id int primary key, b bytea);
insert into t values (1, '\xff'), (2, '\x616263');
END
seen()
{
	PGOPTIONS="-c bytea_output=$1" sql -c "select string_agg(change -> 'columnvalues' #>> '{}', ' ')
		from pg_logical_slot_peek_changes('s', null, null), json_array_elements(data::json -> 'change') change"
}
expect 'hex' "$(seen hex)" '[1,"ff"] [2,"616263"]'
expect 'escape' "$(seen escape)" '[1,"77"] [2,"c"]'
finish
