-- The changes that test/fuzz/sql makes beside sqlsmith

SET search_path = fuzz;
INSERT INTO people (id, name, born, mood, tags, score, data, photo, stay, pair, many)
SELECT i, 'name ' || i, date '2000-01-01' + i, 'ok', array['a', null, i::text], i / 7.0, jsonb_build_object('i', i), '\x00ff', interval '1 day 2 hours' * i, row(i, 'b'::text)::pair, i
FROM generate_series(1, 20) AS i
ON CONFLICT (id) DO UPDATE SET score = people.score + 1, mood = 'happy';
UPDATE people SET name = name || '!' WHERE id % 3 = (random() * 2)::int;
DELETE FROM people WHERE id = 1 + (random() * 19)::int;
INSERT INTO orders (region, no, amount, paid) SELECT 'r' || i % 3, (random() * 1000000)::int, i, i % 2 = 0 FROM generate_series(1, 5) AS i
ON CONFLICT DO NOTHING;
INSERT INTO parts SELECT (random() * 50)::int, 'a' FROM generate_series(1, 3) ON CONFLICT DO NOTHING;
UPDATE parts SET part = CASE part WHEN 'a' THEN 'b' || (random() * 1000)::int ELSE part END WHERE id = (random() * 50)::int;
DO $$ BEGIN PERFORM ddbstreams.poll('fuzz', 'writer'); EXCEPTION WHEN OTHERS THEN NULL; END $$;
SELECT pg_sleep(0.05);
