-- In a large transaction records refer to row versions of the table, and the
-- commit copies them. The same changes are made to a second table, in which
-- nothing can be referred to, because it has a column of a type that is
-- rendered; both streams have to tell the same.
--
-- To see it fail: test/mutations/run 'row-reference-*'.

\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
set client_min_messages = warning;
create schema referring;
set search_path = referring, public;

-- references begin at half of it
set ddbstreams.buffer_memory = '64kB';
create type mood as enum ('calm');
create table plain (part text, id int, v int, w text, x numeric, y text, primary key (part, id));
create table twin (like plain including all, e mood not null default 'calm');

-- does a statement, in which PLAIN stands for the table, to both tables
create function do_both(statement text) returns void language plpgsql as $$
begin
	execute replace(statement, 'PLAIN', 'plain');
	execute replace(statement, 'PLAIN', 'twin');
end $$;
create table arns (plain text, twin text);
create function told(arn text) returns table (keys text, n bigint, event_name text, new_image text, old_image text)
language sql as $$
	select keys::text, row_number() over (partition by keys::text order by sequence_number), event_name,
		(new_image::jsonb - 'e')::text, (old_image::jsonb - 'e')::text
	from test.records(null, arn)
$$;
-- how many records there are, and how many have nothing the like in the other stream
create function compare(out changes bigint, out only_plain bigint, out only_twin bigint) language sql as $$
	select (select count(*) from told(a.plain)),
		(select count(*) from (select * from told(a.plain) except all select * from told(a.twin)) d),
		(select count(*) from (select * from told(a.twin) except all select * from told(a.plain)) d)
	from arns a
$$;
create function fill(low int, high int) returns void language sql as $$
	select do_both(format($f$insert into PLAIN
		select 'part ' || i %% 7, i, i, repeat('w', i %% 300), i / 3.0, case when i %% 3 > 0 then 'y' || i end
		from generate_series(%s, %s) i$f$, low, high))
$$;
create function begin_stream(view_type text) returns void language sql as $$
	delete from arns;
	insert into arns select ddbstreams.enable_stream('plain', view_type, 3), ddbstreams.enable_stream('twin', view_type, 3);
$$;
create function end_stream() returns void language sql as $$
	select ddbstreams.disable_stream('plain'), ddbstreams.disable_stream('twin');
	truncate plain, twin;
$$;

-- every kind of change, in every view type; versions that the same transaction
-- has superseded; keys that change; updates of nothing; identities; savepoints
create function change() returns void language plpgsql as $$
begin
	perform fill(1, 900);
	perform do_both('update PLAIN set v = v + 1, y = null where id % 2 = 0');
	perform do_both('update PLAIN set w = w || ''longer'', y = ''y'' where id % 5 = 0');
	perform do_both('update PLAIN set v = v where id < 30');
	set local ddbstreams.user_identity = 'Service:expires.example.com';
	perform do_both('delete from PLAIN where id % 11 = 0');
	perform do_both('update PLAIN set x = null where id % 13 = 0');
	reset ddbstreams.user_identity;
	begin
		perform fill(901, 1200);
		perform do_both('update PLAIN set v = -1');
		raise exception 'undone';
	exception when raise_exception then
	end;
	perform do_both('update PLAIN set id = id + 10000 where id > 850');
	perform fill(901, 1000);
	perform do_both('delete from PLAIN where id between 300 and 400');
	perform fill(300, 400);
end $$;

select begin_stream('NEW_AND_OLD_IMAGES');
select change();
select * from compare();
select end_stream();
select begin_stream('NEW_IMAGE');
select change();
select * from compare();
select end_stream();
select begin_stream('OLD_IMAGE');
select change();
select * from compare();
select end_stream();
select begin_stream('KEYS_ONLY');
select change();
select * from compare();
select end_stream();

-- the table changes before the commit: other columns, another file, pruned pages
select begin_stream('NEW_AND_OLD_IMAGES');
begin;
select fill(1, 600);
select do_both('alter table PLAIN add z int default 5');
select do_both('update PLAIN set z = 6, v = 0 where id % 2 = 0');
select do_both('alter table PLAIN drop z');
select do_both('update PLAIN set w = ''short'' where id % 3 = 0');
select do_both('alter table PLAIN alter v type bigint');
select do_both('update PLAIN set v = v + 1');
select do_both('cluster PLAIN using PLAIN_pkey');
select do_both('delete from PLAIN where id < 100');
select do_both('truncate PLAIN');
select fill(1, 600);
commit;
select * from compare();

-- a file that the transaction has made is emptied at once
begin;
select do_both('truncate PLAIN');
select fill(1001, 1900);
select do_both('update PLAIN set v = 1');
select do_both('truncate PLAIN');
select fill(1001, 1200);
commit;
select * from compare();
select count(*) from plain;
begin;
select do_both('truncate PLAIN');
savepoint a;
select fill(1901, 2500);
savepoint b;
select do_both('truncate PLAIN');
select fill(1901, 2500);
select do_both('truncate PLAIN');
rollback to b;
select do_both('truncate PLAIN');
commit;
select * from compare();

-- the table is gone at the commit
begin;
select fill(3001, 3600);
select do_both('drop table PLAIN');
commit;
select * from compare();

-- partitions, and triggers out of order
create table parted (id int, v int, w text, primary key (id)) partition by range (id);
create table parted_low partition of parted for values from (0) to (1000);
create table parted_high (w text, gone int, v int, id int not null);
alter table parted_high drop gone;
alter table parted attach partition parted_high for values from (1000) to (2000);
create function touch() returns trigger language plpgsql as $$
begin
	if new.v = 1 then
		update parted set v = 2, w = w || 'touched' where id = new.id + 1;
	end if;
	return null;
end $$;
select ddbstreams.enable_stream('parted', shard_count => 2) is not null;
create trigger a_touch after update on parted for each row execute function touch();
begin;
insert into parted select i % 2 * 1000 + i / 2, 0, repeat('p', i / 2 % 200) from generate_series(0, 1999) i;
update parted set v = 1 where id % 2 = 0;
delete from parted where id % 10 = 5;
commit;
with r as (
	select event_name, (keys -> 'id' ->> 'N')::int as id,
		row_number() over (partition by keys::text order by sequence_number) as n,
		new_image -> 'w' ->> 'S' as w, old_image -> 'w' ->> 'S' as old_w, new_image -> 'v' ->> 'N' as v
	from test.records('parted'))
select event_name, n, v, count(*), count(*) filter (where w = repeat('p', id % 200)) as w,
	count(*) filter (where w = repeat('p', id % 200) || 'touched') as touched_w,
	count(*) filter (where old_w = repeat('p', id % 200)) as old_w,
	count(*) filter (where old_w = repeat('p', id % 200) || 'touched') as touched_old_w
from r group by 1, 2, 3 order by 2, 1, 3;

drop schema referring cascade;
