-- $1 stream: its newest records, newest first.  Large images stay where they are.
SELECT json_build_object('items', coalesce(json_agg(json_build_object(
	'id', event_id,
	'shard', shard_id,
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
	ORDER BY sequence_number DESC, shard_id), '[]'))
FROM ddbstreams.newest_records($1, 50)
