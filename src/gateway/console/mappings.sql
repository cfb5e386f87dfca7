-- $1 stream, or null: mappings with the sums of their lanes, the latest one first.
-- The lanes of a shard share its records, so that a shard counts once.
WITH lane AS MATERIALIZED (
	SELECT * FROM ddbstreams.mapping_stats WHERE $1 IS NULL OR stream_arn = $1),
shard AS (
	SELECT mapping, shard_id, max(lag_records) AS lag_records
	FROM lane GROUP BY mapping, shard_id),
lag AS (
	SELECT mapping, count(*) AS shards, sum(lag_records) AS lag_records
	FROM shard GROUP BY mapping),
stats AS (
	SELECT mapping,
		min(function_name) AS function_name,
		min(stream_arn) AS stream_arn,
		max(lag_seconds) AS lag_seconds,
		count(*) AS lanes,
		count(*) FILTER (WHERE state = 'retrying') AS retrying,
		count(*) FILTER (WHERE state IN ('delivering', 'giving up')) AS working,
		max(attempts) AS attempts,
		(array_agg(last_error ORDER BY last_error_at DESC NULLS LAST) FILTER (WHERE last_error IS NOT NULL))[1] AS last_error,
		max(last_error_at) AS last_error_at,
		sum(records_delivered) AS delivered,
		sum(records_filtered) AS filtered,
		sum(records_lost) AS lost,
		sum(batches_failed) AS failed
	FROM lane GROUP BY mapping),
definition AS (
	SELECT * FROM ddbstreams.list_event_source_mappings($1)),
waiting AS (
	SELECT mapping, count(*) AS batches FROM ddbstreams.failed_batches
	WHERE redriven_at IS NULL GROUP BY mapping),
item AS (
	SELECT coalesce(s.lag_seconds, 0) AS lag_seconds, json_build_object(
		'id', coalesce(d.uuid, s.mapping),
		'function', coalesce(d.function_name, s.function_name),
		'arn', coalesce(d.event_source_arn, s.stream_arn),
		'state', d.state,
		'result', d.last_processing_result,
		'batch_size', d.batch_size,
		'shards', coalesce(l.shards, 0),
		'lanes', coalesce(s.lanes, 0),
		'retrying', coalesce(s.retrying, 0),
		'working', coalesce(s.working, 0),
		'lag_records', coalesce(l.lag_records, 0),
		'lag_seconds', coalesce(s.lag_seconds, 0),
		'attempts', coalesce(s.attempts, 0),
		'last_error', s.last_error,
		'last_error_at', s.last_error_at,
		'delivered', coalesce(s.delivered, 0),
		'filtered', coalesce(s.filtered, 0),
		'lost', coalesce(s.lost, 0),
		'failed', coalesce(s.failed, 0),
		'failed_waiting', coalesce(w.batches, 0)) AS item
	FROM definition d FULL JOIN stats s ON s.mapping = d.uuid
		LEFT JOIN lag l ON l.mapping = s.mapping
		LEFT JOIN waiting w ON w.mapping = d.uuid)
SELECT json_build_object(
	'total', (SELECT count(*) FROM item),
	'items', coalesce((SELECT json_agg(i.item ORDER BY i.lag_seconds DESC, i.item->>'function', i.item->>'id')
		FROM (SELECT * FROM item ORDER BY lag_seconds DESC, item->>'function', item->>'id' LIMIT 100) i), '[]'))
