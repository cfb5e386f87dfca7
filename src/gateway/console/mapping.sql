-- $1 mapping: its lanes, those with trouble first
WITH lane AS MATERIALIZED (
	SELECT * FROM ddbstreams.mapping_stats WHERE mapping = $1::uuid),
page AS (
	SELECT * FROM lane
	ORDER BY attempts DESC, lag_seconds DESC, shard_id, lane LIMIT 200)
SELECT json_build_object(
	'total', (SELECT count(*) FROM lane),
	'items', coalesce((SELECT json_agg(json_build_object(
		'shard', shard_id,
		'lane', lane,
		'state', state,
		'lag_records', lag_records,
		'lag_seconds', lag_seconds,
		'attempts', attempts,
		'next_attempt', next_attempt_at,
		'last_error', last_error,
		'last_error_at', last_error_at,
		'pid', worker_pid,
		'checkpoint', checkpoint,
		'delivered', records_delivered)
		ORDER BY attempts DESC, lag_seconds DESC, shard_id, lane) FROM page), '[]'))
