#!/bin/bash
#
# Rolling back a move to another tablespace leaves wrong entries in the indexes.
#
# One would guess that ROLLBACK puts a table back as it was, whatever the
# transaction did: rows that it inserted may stay in the files, and nobody finds
# them.
#
# ALTER TABLE … SET TABLESPACE copies the table, and not its indexes, to a new
# file. Rows that are inserted behind it in the same transaction go to the copy,
# which is thrown away, while their entries in the indexes stay. Each of these
# points to a place where there is no row, and the query fails; once others have
# been inserted there, it finds a row that has another key. Rows are neither lost
# nor changed, and REINDEX mends it.
#
# Such errors look like a fault of whatever reads the table's rows at that moment,
# for example a change stream's trigger. Who moves tables should do so in a
# transaction of its own.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
settings=('allow_in_place_tablespaces=on')
start_postgresql
sql <<'END'
create tablespace other location '';
create table t (id int primary key, v text);
insert into t select i, 'old' from generate_series(1, 100) i;
begin;
alter table t set tablespace other;
insert into t select i, 'undone' from generate_series(1001, 3000) i;
rollback;
END
by_index()
{
	sql -c "set enable_seqscan = off; set enable_bitmapscan = off; $1" 2>&1 |
		sed 's/^ERROR:  \(could not read block\|invalid page\).*/\1/'
}
expect 'rows' "$(sql -c 'select count(*) from t')" 100
expect 'a row that was rolled back, by the index' "$(by_index 'select v from t where id = 3000')" 'could not read block'
expect 'a row that was there before' "$(by_index 'select v from t where id = 50')" old
sql -c "insert into t select i, 'later' from generate_series(5001, 5200) i"
expect 'what has the key 1050, once there are other rows' "$(by_index 'select id from t where id = 1050 and v is not null')" 5050
sql -c 'reindex table t'
expect 'the same behind REINDEX' "$(by_index 'select count(*) from t where id = 3000')" 0
finish
