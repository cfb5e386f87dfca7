-- wal2json: the old image is in the WAL only with REPLICA IDENTITY FULL.
alter table items replica identity full;
alter table hot replica identity full;
select pg_create_logical_replication_slot('bench', 'wal2json');
