-- A table of its own for each client; role reader may read it and its stream.
drop table if exists public."Orders";
create table public."Orders" (
	id int primary key,
	n bigint not null,
	price numeric,
	note text,
	tags text[],
	doc jsonb,
	raw bytea,
	at timestamptz,
	ok boolean);
alter table public."Orders" owner to reader;

-- The handler of the guide's commands.
create or replace function public."ProcessOrderStream"(event jsonb) returns jsonb
	language plpgsql as $$begin return null; end$$;
alter function public."ProcessOrderStream" owner to reader;
