-- Tables whose rows another extension keeps elsewhere are refused.  The
-- extensions are made up here: of each there is its entry and its list of tables.
-- test/neighbours runs the real ones.
--
-- To see it fail: test/mutations/run copied-trigger-captures taken-over-by-index-alone
-- taken-over-ends-before-append taken-over-unnoticed-by-ddl.

\pset format unaligned
\pset tuples_only on
create schema neighbours;
set search_path = neighbours, public;
create table t (id int primary key);
create table p (id int primary key) partition by range (id);
create table p1 partition of p for values from (0) to (10);

create function pretend(name text) returns void language plpgsql as $$
begin
    set local allow_system_table_mods = on;
    insert into pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
    select max(oid::int8)::int8 + 1000000, name, 10, 'neighbours'::regnamespace, false, '1' from pg_extension;
end $$;

-- lists that merely bear the names
create schema _timescaledb_catalog;
create table _timescaledb_catalog.hypertable (id int, schema_name name, table_name name);
insert into _timescaledb_catalog.hypertable values (1, 'neighbours', 't');
create schema ag_catalog;
create table ag_catalog.ag_label (name name, relation regclass);
insert into ag_catalog.ag_label values ('t', 't'), ('p1', 'p1');
select ddbstreams.enable_stream('t', shard_count => 1) is not null, ddbstreams.disable_stream('t') is not null;
select pretend('timescaledb'), pretend('age'), pretend('citus');
select ddbstreams.enable_stream('t', shard_count => 1) is not null, ddbstreams.disable_stream('t') is not null;

-- the extensions' own
alter extension timescaledb add table _timescaledb_catalog.hypertable;
select test.fails($$ select ddbstreams.enable_stream('neighbours.t') $$);
select ddbstreams.enable_stream('p', shard_count => 1) is not null, ddbstreams.disable_stream('p') is not null;
alter extension timescaledb drop table _timescaledb_catalog.hypertable;
alter extension age add table ag_catalog.ag_label;
select test.fails($$ select ddbstreams.enable_stream('neighbours.t') $$);
select test.fails($$ select ddbstreams.enable_stream('neighbours.p') $$);
alter extension age drop table ag_catalog.ag_label;
begin;
set local allow_system_table_mods = on;
create table pg_catalog.pg_dist_partition (logicalrelid regclass, partmethod "char");
insert into pg_dist_partition values ('p', 'h');
alter extension citus add table pg_catalog.pg_dist_partition;
select ddbstreams.enable_stream('t', shard_count => 1) is not null, ddbstreams.disable_stream('t') is not null;
select test.fails($$ select ddbstreams.enable_stream('neighbours.p') $$);
rollback;
-- a list of another form
alter table _timescaledb_catalog.hypertable rename schema_name to other;
alter extension timescaledb add table _timescaledb_catalog.hypertable;
select ddbstreams.enable_stream('t', shard_count => 1) is not null;
select ddbstreams.disable_stream('t') is not null;
alter table _timescaledb_catalog.hypertable rename other to schema_name;

-- A table with a stream is taken over: what the transaction has changed before
-- is in the stream, which ends.
\set VERBOSITY terse
create table h (id int primary key, v int);
select ddbstreams.enable_stream('h', shard_count => 1) as arn \gset
insert into h values (1, 0);
create function make_hypertable(name) returns void language plpgsql as $$
begin
    update h set v = v + 1;
    insert into _timescaledb_catalog.hypertable values (2, 'neighbours', $1);
    execute format('alter table %I alter id set not null', $1);
end $$;
begin;
savepoint s;
select make_hypertable('h');
rollback to s;
commit;
select stream_status from ddbstreams.list_streams('h');
select make_hypertable('h');
select stream_status from ddbstreams.list_streams('h');
select tgname, tgenabled from pg_trigger where tgrelid = 'h'::regclass order by 1;
insert into h values (2, 0);
select event_name, new_image from ddbstreams.changes(null::h, stream_arn => :'arn');

-- A chunk gets a copy of each trigger, enabled, behind the back of the utility
-- hook, and the trigger fires in the statement that makes the chunk.
create table _timescaledb_catalog.chunk (id int, schema_name name, table_name name);
alter extension timescaledb add table _timescaledb_catalog.chunk;
create function make_chunk(chunk name, parent regclass) returns void language plpgsql as $$
begin
    execute format('create table %I (primary key (id)) inherits (%s)', chunk, parent);
    insert into _timescaledb_catalog.chunk values (1, 'neighbours', chunk);
    execute format('create trigger ddbstreams_capture after insert or update or delete on %I
        for each row execute function ddbstreams.capture()', chunk);
    set local allow_system_table_mods = on;
    update pg_trigger set tgenabled = 'O' where tgrelid = chunk::regclass;
    update pg_class set reltuples = 0 where oid = chunk::regclass;
    execute format('insert into %I values (1, 1), (2, 2)', chunk);
end $$;
select make_chunk('chunk1', 'h');
insert into chunk1 values (3, 3);
select test.fails($$ select ddbstreams.enable_stream('neighbours.chunk1') $$);

-- the same while the stream is enabled
create table h2 (id int primary key, v int);
select ddbstreams.enable_stream('h2', shard_count => 1) as arn \gset
begin;
insert into h2 values (1, 0);
savepoint s;
select make_chunk('chunk2', 'h2');
rollback to s;
insert into _timescaledb_catalog.hypertable values (3, 'neighbours', 'h2');
alter table h2 alter id set not null;
commit;
select stream_status from ddbstreams.list_streams('h2');
select event_name, new_image from ddbstreams.changes(null::h2, stream_arn => :'arn');
select make_chunk('chunk2', 'h2');

-- An index is all that is made on the table, and a newer list has OIDs.
alter extension timescaledb drop table _timescaledb_catalog.chunk;
drop table _timescaledb_catalog.chunk;
create table _timescaledb_catalog.chunk (id int, relid regclass);
alter extension timescaledb add table _timescaledb_catalog.chunk;
insert into _timescaledb_catalog.chunk values (1, 'chunk1');
select test.fails($$ select ddbstreams.enable_stream('neighbours.chunk1') $$);
create table h3 (id int primary key, v int);
select ddbstreams.enable_stream('h3', shard_count => 1) is not null;
create index on h3 (v);
do $$
begin
    insert into _timescaledb_catalog.hypertable values (4, 'neighbours', 'h3');
    create index on h3 (v, id);
end $$;
select stream_status from ddbstreams.list_streams('h3');

-- A shard of Citus may have a stream, with a warning.
begin;
set local allow_system_table_mods = on;
create table pg_catalog.pg_dist_shard (logicalrelid regclass, shardid bigint);
insert into pg_dist_shard values ('t', 102008), ('t', 8);
create table t_102008 (id int primary key);
create table t_9102008 (id int primary key);
alter extension citus add table pg_catalog.pg_dist_shard;
select ddbstreams.enable_stream('t_102008', shard_count => 1) is not null;
select ddbstreams.enable_stream('t_9102008', shard_count => 1) is not null;
rollback;

set client_min_messages = warning;
drop extension timescaledb, age, citus;
drop schema neighbours, _timescaledb_catalog, ag_catalog cascade;
