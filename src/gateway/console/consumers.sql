-- $1 stream, or null: consumer groups with the sums of their shards
WITH item AS (
	SELECT coalesce(max(lag_seconds), 0) AS lag_seconds, consumer_name,
		json_build_object(
			'id', consumer_name,
			'arn', stream_arn,
			'shards', count(shard_id),
			'workers', count(DISTINCT lease_owner) FILTER (WHERE state = 'owned'),
			'owned', count(*) FILTER (WHERE state = 'owned'),
			'free', count(*) FILTER (WHERE state IN ('free', 'expired')),
			'waiting', count(*) FILTER (WHERE state = 'waiting'),
			'finished', count(*) FILTER (WHERE state = 'finished'),
			'gone', count(*) FILTER (WHERE state = 'stream is gone'),
			'lag_records', coalesce(sum(lag_records), 0),
			'lag_seconds', coalesce(max(lag_seconds), 0),
			'attempts', coalesce(max(attempts), 0),
			'lost', coalesce(max(lost_records), 0),
			'last_error', (array_agg(last_error ORDER BY last_error_at DESC NULLS LAST) FILTER (WHERE last_error IS NOT NULL))[1],
			'last_error_at', max(last_error_at)) AS item
	FROM ddbstreams.consumer_stats
	WHERE $1 IS NULL OR stream_arn = $1
	GROUP BY consumer_name, stream_arn)
SELECT json_build_object(
	'total', (SELECT count(*) FROM item),
	'items', coalesce((SELECT json_agg(i.item ORDER BY i.lag_seconds DESC, i.consumer_name)
		FROM (SELECT * FROM item ORDER BY lag_seconds DESC, consumer_name LIMIT 100) i), '[]'))
