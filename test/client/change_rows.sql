-- Fifty keys: each round makes the missing ones, changes all, and deletes some.
\set ON_ERROR_STOP on
insert into public."Orders"
	select id, :round * 1000, id + 0.25, 'round ' || :round || ' key ' || id || ' ' || repeat('x', id % 7),
		array['a', null, 'b"c'], jsonb_build_object('k', jsonb_build_array(1, 2.5, null, true), 'r', :round),
		'\x00ff10'::bytea, '2026-01-02 03:04:05.678901+00', id % 2 = 0
	from generate_series(1, 50) id
	on conflict (id) do nothing;
update public."Orders" set n = n + 1, note = note || '.' where id % 3 <> :round % 3;
update public."Orders" set n = n + 1, doc = null, ok = null where id % 5 = :round % 5;
delete from public."Orders" where id % 7 = :round % 7;
