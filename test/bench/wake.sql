-- A table whose records wake a reader.
create extension ddbstreams;
create table woken (id bigserial primary key);
select ddbstreams.enable_stream('woken', 'NEW_IMAGE', 1);
