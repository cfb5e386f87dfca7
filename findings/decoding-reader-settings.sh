#!/bin/bash
#
# What logical decoding prints depends on the settings of the session that reads.
#
# One would guess that a change is in the WAL and reads the same for everybody:
# decoding goes to the length of using the catalogues of that moment.
#
# The types' output functions run in the reader's session, under its DateStyle,
# IntervalStyle, bytea_output, time zone and extra_float_digits. Two readers of
# equal slots get different texts for one change, and one of them loses a
# digit of a double precision.
#
# A change stream that is to read the same in every session has to fix these
# settings itself, at the moment of output or before.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
start_postgresql
sql <<'END'
select from pg_create_logical_replication_slot('s', 'test_decoding');
create table t (id int primary key, f float8, i interval, b bytea, at timestamptz);
insert into t values (1, 0.1::float8 + 0.2, '1 day 02:00', '\x0001', '2026-01-02 03:04:05+00');
END
read_changes()
{
	PGOPTIONS=$1 sql -c "select regexp_replace(data, '.*f\[', 'f[') from pg_logical_slot_peek_changes('s', null, null) where data like 'table%'"
}
expect 'by default' "$(read_changes '')" \
	"f[double precision]:0.30000000000000004 i[interval]:'1 day 02:00:00' b[bytea]:'\\x0001' at[timestamp with time zone]:'2026-01-02 03:04:05+00'"
expect 'with other settings' "$(read_changes '-c extra_float_digits=0 -c datestyle=german -c intervalstyle=sql_standard -c bytea_output=escape -c timezone=Asia/Tokyo')" \
	"f[double precision]:0.3 i[interval]:'1 2:00:00' b[bytea]:'\\000\\001' at[timestamp with time zone]:'02.01.2026 12:04:05 JST'"
finish
