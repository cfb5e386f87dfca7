-- SPLIT PARTITION and MERGE PARTITIONS, where the grammar knows them: rows that
-- move make no records, and the new partitions are captured.

\pset format unaligned
\pset tuples_only on
create schema partition_moves;
set search_path = partition_moves, public;

create table t (id int primary key, v text) partition by range (id);
create table t_1 partition of t for values from (0) to (100);
create table t_2 partition of t for values from (100) to (200);
select ddbstreams.enable_stream('t', shard_count => 1) is not null;
insert into t values (1, 'a'), (60, 'b'), (101, 'c');

create function knows(command text) returns bool language plpgsql as $$
begin
    execute command;
    return true;
exception
    when syntax_error then return false;
    when undefined_table then return true;
end $$;

-- Adds to wrong what of the writes to a partition has no record.
create procedure write_to(part text, id int, inout wrong text) language plpgsql as $$
declare
    before bigint := (select count(*) from test.records('t'));
begin
    execute format('insert into %I values (%s, ''d'')', part, id);
    execute format('update %I set v = ''e'' where id = %s', part, id);
    execute format('update t set v = ''f'' where id = %s', id);
    commit;
    execute format('truncate %I', part);
    commit;
    if (select count(*) from test.records('t')) - before < 4 then
        wrong := wrong || 'not all writes to ' || part || ' are captured; ';
    end if;
end $$;
call write_to('t_2', 150, '');

create procedure move(inout wrong text) language plpgsql as $$
declare
    before bigint := (select count(*) from test.records('t'));
begin
    if not knows('alter table nowhere split partition a into (partition b for values from (0) to (50), partition c for values from (50) to (100))') then
        return;
    end if;
    execute 'alter table t split partition t_1 into (partition t_low for values from (0) to (50), partition t_high for values from (50) to (100))';
    commit;
    if before <> (select count(*) from test.records('t')) then
        wrong := wrong || 'splitting has made records; ';
    end if;
    call write_to('t_low', 10, wrong);
    call write_to('t_high', 70, wrong);
    insert into t values (2, 'g'), (61, 'h');
    commit;
    before := (select count(*) from test.records('t'));
    execute 'alter table t merge partitions (t_low, t_high) into t_3';
    commit;
    if before <> (select count(*) from test.records('t')) then
        wrong := wrong || 'merging has made records; ';
    end if;
    call write_to('t_3', 20, wrong);
end $$;
call move('');

set client_min_messages = warning;
drop schema partition_moves cascade;
