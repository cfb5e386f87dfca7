-- PgQ: its C trigger puts JSON of the new row in ev_data, of the old one
-- ("backup") in ev_extra2.
create extension pgq;
select pgq.create_queue('items');
select pgq.create_queue('hot');
select pgq.register_consumer('items', 'reader');
select pgq.register_consumer('hot', 'reader');
create trigger capture after insert or update or delete on items
	for each row execute function pgq.jsontriga('items', 'backup');
create trigger capture after insert or update or delete on hot
	for each row execute function pgq.jsontriga('hot', 'backup');
