-- The database that every method's one is a copy of.
--
-- rows   rows of source, which are inserted into items
-- keys   rows of hot, whose updates pgbench makes

create function row_of(n int) returns table (
	id int, customer text, email text, status text, note text,
	amount numeric, created_at timestamptz, attributes jsonb)
language sql immutable as $$
	select n,
		'customer ' || n % 1000,
		'user' || n || '@example.com',
		'new',
		'note ' || md5(n::text) || ' ' || md5((n + 1)::text),
		(n % 100000) / 100.0,
		timestamptz '2026-01-01 00:00:00+00' + n * interval '1 second',
		jsonb_build_object('channel', 'web', 'items', n % 7,
			'tags', jsonb_build_array('a', 'b', n % 10))
$$;

create table items (
	id int primary key,
	customer text not null,
	email text not null,
	status text not null,
	note text,
	amount numeric(12,2),
	created_at timestamptz not null,
	attributes jsonb
);
create table hot (like items including all);
create table source (like items);

insert into source
select r.* from generate_series(1, :rows) n, row_of(n) r;
insert into hot
select r.* from generate_series(1, :keys) n, row_of(n) r;
vacuum (freeze, analyze) source;
vacuum (freeze, analyze) hot;
