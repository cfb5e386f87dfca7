-- The trigger that everybody writes first.
create table log (
	id bigserial primary key,
	at timestamptz not null default now(),
	transaction_id xid8 not null default pg_current_xact_id(),
	table_name text not null,
	event text not null,
	old_image jsonb,
	new_image jsonb
);
create function capture() returns trigger language plpgsql as $$
begin
	if tg_op = 'INSERT' then
		insert into log (table_name, event, new_image)
		values (tg_table_name, tg_op, to_jsonb(new));
	elsif tg_op = 'UPDATE' then
		insert into log (table_name, event, old_image, new_image)
		values (tg_table_name, tg_op, to_jsonb(old), to_jsonb(new));
	else
		insert into log (table_name, event, old_image)
		values (tg_table_name, tg_op, to_jsonb(old));
	end if;
	return null;
end $$;
create trigger capture after insert or update or delete on items
	for each row execute function capture();
create trigger capture after insert or update or delete on hot
	for each row execute function capture();
