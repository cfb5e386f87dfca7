-- Tables whose rows another extension keeps elsewhere are refused.  The
-- extensions are made up here: of each there is its entry and its list of tables.

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

set client_min_messages = warning;
drop extension timescaledb, age, citus;
drop schema neighbours, _timescaledb_catalog, ag_catalog cascade;
