-- One INSERT ... SELECT of all rows, one UPDATE of half of them.  Prints
-- seconds, seconds of the processor, which neighbours on the machine disturb
-- less, and WAL bytes of each.
select count(*), (select count(*) from hot) from source \g /dev/null
checkpoint;

select pg_current_wal_insert_lsn() as w0,
	extract(epoch from clock_timestamp()) as t0,
	split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::numeric / 1e9 as c0 \gset
insert into items select * from source;
select pg_current_wal_insert_lsn() as w1,
	extract(epoch from clock_timestamp()) as t1,
	split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::numeric / 1e9 as c1 \gset
update items set status = 'paid', amount = amount + 1 where id <= :rows / 2;
select pg_current_wal_insert_lsn() as w2,
	extract(epoch from clock_timestamp()) as t2,
	split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::numeric / 1e9 as c2 \gset

select 'insert_s', :t1 - :t0;
select 'update_s', :t2 - :t1;
select 'insert_cpu', :c1 - :c0;
select 'update_cpu', :c2 - :c1;
select 'insert_wal', (:'w1'::pg_lsn - :'w0'::pg_lsn) / :rows;
select 'update_wal', (:'w2'::pg_lsn - :'w1'::pg_lsn) / (:rows / 2);
