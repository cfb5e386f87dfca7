-- $1 mapping, or null, $2 offset: batches that were given up, newest first
WITH batch AS MATERIALIZED (
	SELECT * FROM ddbstreams.failed_batches WHERE $1 IS NULL OR mapping = $1::uuid),
page AS (
	SELECT * FROM batch ORDER BY failed_at DESC, id
	LIMIT 50 OFFSET greatest(coalesce($2::int, 0), 0))
SELECT json_build_object(
	'total', (SELECT count(*) FROM batch),
	'items', coalesce((SELECT json_agg(json_build_object(
		'id', b.id,
		'mapping', b.mapping,
		'function', m.function_name,
		'arn', b.stream_arn,
		'shard', b.shard_id,
		'condition', b.failure->'requestContext'->>'condition',
		'invocations', b.failure->'requestContext'->>'approximateInvokeCount',
		'records', CASE WHEN jsonb_typeof(b.records) = 'array' THEN jsonb_array_length(b.records) END,
		'failed', b.failed_at,
		'redriven', b.redriven_at,
		'pending', b.redrive_pending,
		'last_error', b.last_error)
		ORDER BY b.failed_at DESC, b.id)
		FROM page b LEFT JOIN ddbstreams.list_event_source_mappings() m ON m.uuid = b.mapping), '[]'))
