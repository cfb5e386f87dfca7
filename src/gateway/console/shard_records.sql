-- $1 stream, $2 shard, $3 iterator: a page of a shard, from its beginning on if
-- there is no iterator.  Large images stay where they are.
WITH start AS MATERIALIZED (
	SELECT coalesce($3, ddbstreams.get_shard_iterator($1, $2, 'TRIM_HORIZON')) AS iterator),
page AS MATERIALIZED (
	SELECT r.* FROM start, ddbstreams.get_records(start.iterator, 50) r)
SELECT json_build_object(
	'next', CASE WHEN EXISTS (SELECT FROM page)
		THEN (SELECT next_shard_iterator FROM page ORDER BY sequence_number DESC LIMIT 1)
		ELSE (SELECT ddbstreams.next_shard_iterator(iterator) FROM start) END,
	'items', coalesce((SELECT json_agg(json_build_object(
		'id', event_id,
		'shard', $2,
		'number', sequence_number,
		'event', event_name,
		'at', approximate_creation_date_time,
		'transaction', transaction_id,
		'identity', user_identity,
		'view_type', stream_view_type,
		'size', size_bytes,
		'keys', CASE WHEN size_bytes <= 65536 THEN keys END,
		'old', CASE WHEN size_bytes <= 65536 THEN old_image END,
		'new', CASE WHEN size_bytes <= 65536 THEN new_image END)
		ORDER BY sequence_number) FROM page), '[]'))
