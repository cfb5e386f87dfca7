-- Order inside a transaction: version order, not the order in which triggers
-- fire.
--
-- To see it fail: test/mutations/run commands-not-noted
-- partition-keys-in-capture-order.

\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
create schema ordering;
set search_path = ordering, public;

create function history(t regclass) returns table (event_name text, keys text, was text, is_now text)
language sql as $$
	select event_name, keys::text, old_image -> 'v' ->> 'S', new_image -> 'v' ->> 'S' from test.records(t)
$$;

-- a function called by DELETE inserts the key anew
create table b (id int primary key, v text);
insert into b values (1, 'old');
select ddbstreams.enable_stream('b', shard_count => 1) is not null;
create function reinsert(i int) returns text language plpgsql as $$
begin
	insert into b values (i, 'new');
	return 'done';
end $$;
delete from b where id = 1 returning reinsert(id);
select * from history('b');
select * from b;

-- a trigger removes, inserts and removes the row that its statement inserts
create table c (id int primary key, v text);
select ddbstreams.enable_stream('c', shard_count => 1) is not null;
create function again() returns trigger language plpgsql as $$
begin
	if new.v = 'v1' then
		delete from c where id = new.id;
		insert into c values (new.id, 'v2');
		delete from c where id = new.id;
	end if;
	return null;
end $$;
create trigger a_again after insert on c for each row execute function again();
insert into c values (1, 'v1');
select * from history('c');
select count(*) from c;

-- a function in a statement makes an update that changes nothing, then one that does
create table h (id int primary key, v text);
insert into h values (1, 'a'), (2, 'a');
select ddbstreams.enable_stream('h', shard_count => 1) is not null;
create function meddle(i int) returns text language plpgsql as $$
begin
	if i = 2 then
		update h set v = v where id = 1;
		update h set v = 'c' where id = 1;
	end if;
	return 'b';
end $$;
update h set v = meddle(id);
select * from history('h');
select * from h order by id;

-- rows of COPY FREEZE, changed by a trigger before they are captured
create table f (id int primary key, v text);
create function raise_it() returns trigger language plpgsql as $$
begin
	update f set v = new.v || '!' where id = new.id + 1;
	return null;
end $$;
create trigger a_raise after insert on f for each row execute function raise_it();
begin;
truncate f;
select ddbstreams.enable_stream('f', shard_count => 1) is not null;
copy f from stdin with (freeze);
1	a
2	b
\.
commit;
select * from history('f');
select * from f order by id;

-- Keys with equal partition keys: a trigger before ours changes the next row of
-- the partition key, which has its record first otherwise
create table acc (cust int, n int, v text, primary key (cust, n));
select ddbstreams.enable_stream('acc', shard_count => 4, partition_key => '{cust}') is not null;
create function chain() returns trigger language plpgsql as $$
begin
	update acc set v = new.v || '+' where cust = new.cust and n = new.n + 1 and new.n < 5;
	return null;
end $$;
create trigger a_chain after update on acc for each row execute function chain();
insert into acc select c, n, '0' from generate_series(1, 3) c, generate_series(1, 5) n;
update acc set v = 'x' where n = 1;
select keys->'cust'->>'N' as cust, string_agg((keys->'n'->>'N') || ':' || (new_image->'v'->>'S'), ' ' order by ordinality)
from test.records('acc') with ordinality where event_name = 'MODIFY' group by 1 order by 1;
-- the same key twice in the chain, and rows of other commands between
update acc set v = 'y' where cust = 1 and n = 2;
begin;
update acc set v = 'z' where cust = 1 and n = 4;
delete from acc where cust = 1 and n = 5;
insert into acc values (1, 5, 'new');
update acc set v = 'w' where cust = 1 and n = 3;
commit;
select string_agg(left(event_name, 1) || (keys->'n'->>'N') || coalesce(':' || (new_image->'v'->>'S'), ''), ' ' order by ordinality)
from test.records('acc') with ordinality where keys->'cust'->>'N' = '1';
-- a row makes room for another one of its partition key, as a key WITHOUT OVERLAPS demands
create table room (cust int, n int, v text, primary key (cust, n), exclude using btree (v with =));
select ddbstreams.enable_stream('room', shard_count => 4, partition_key => '{cust}') is not null;
create function move_in() returns trigger language plpgsql as $$
begin
	insert into room values (old.cust, old.n + 100, old.v);
	return null;
end $$;
create trigger a_move_in after delete on room for each row execute function move_in();
insert into room values (1, 1, 'a'), (1, 2, 'b');
delete from room where n < 100;
select string_agg(left(event_name, 1) || (keys->'n'->>'N') || ':' || (coalesce(new_image, old_image) #>> '{v,S}'), ' ' order by ordinality)
from test.records('room') with ordinality;

-- a trigger of the name of ours is found out
create function noop() returns trigger language plpgsql as $$ begin return null; end $$;
select test.fails($$ create or replace trigger ddbstreams_capture after insert on h for each row execute function noop() $$);
create table e (id int primary key);
create trigger ddbstreams_capture after insert on e for each row execute function noop();
select test.fails($$ select ddbstreams.enable_stream('e') $$);

-- a statement that writes to the table cannot enable its stream
create table a (id int primary key);
select test.fails($$ insert into a select i from (select ddbstreams.enable_stream('a')) s, generate_series(1, 3) i $$);
select count(*) from a;

set client_min_messages = warning;
drop schema ordering cascade;
