-- $1 stream: the stream, and its newest 1,000 shards.  A sequence number holds
-- microseconds since 2000 above eleven bits.
WITH shard AS MATERIALIZED (
	SELECT *, count(*) OVER () AS total FROM ddbstreams.describe_stream($1)),
page AS (
	SELECT * FROM shard ORDER BY shard_id DESC LIMIT 1000)
SELECT json_build_object(
	'stream', (SELECT json_build_object(
		'arn', stream_arn,
		'table', table_name,
		'status', stream_status,
		'view_type', stream_view_type,
		'created', creation_request_date_time,
		'retention', extract(epoch FROM retention)::float8)
		FROM ddbstreams.list_streams() WHERE stream_arn = $1),
	'total', (SELECT max(total) FROM shard),
	'items', coalesce((SELECT json_agg(json_build_object(
		'id', p.shard_id,
		'parent', p.parent_shard_id,
		'open', p.ending_sequence_number IS NULL,
		'low', (lower(p.hash_range) / 18446744073709551616)::float8,
		'high', (upper(p.hash_range) / 18446744073709551616)::float8,
		'opened', to_timestamp(946684800 + (p.starting_sequence_number::numeric / 2048000000)::float8),
		'ended', to_timestamp(946684800 + (p.ending_sequence_number::numeric / 2048000000)::float8),
		'records', s.records,
		'bytes', s.bytes,
		'oldest', s.oldest,
		'newest', s.newest,
		'rate', s.records_per_second) ORDER BY p.shard_id)
		FROM page p LEFT JOIN ddbstreams.list_stream_stats($1) s USING (shard_id)), '[]'))
