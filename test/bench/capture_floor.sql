-- A trigger in C that returns at once: what PostgreSQL's own queue of AFTER
-- triggers costs.  The input function of type void does that.
create function returns_at_once() returns trigger language internal as 'void_in';
create trigger captures after insert or update or delete on items
	for each row execute function returns_at_once();
create trigger captures after insert or update or delete on hot
	for each row execute function returns_at_once();
