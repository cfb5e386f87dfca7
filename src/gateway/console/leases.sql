-- $1 consumer: its leases, with how far each is behind
WITH lease AS MATERIALIZED (
	SELECT * FROM ddbstreams.leases($1)),
page AS (
	SELECT l.*, s.state, s.lag_records, s.lag_seconds, s.attempts
	FROM lease l LEFT JOIN ddbstreams.consumer_stats s
		ON s.consumer_name = $1 AND s.shard_id = l.shard_id
	ORDER BY s.lag_seconds DESC NULLS LAST, l.shard_id LIMIT 200)
SELECT json_build_object(
	'total', (SELECT count(*) FROM lease),
	'items', coalesce((SELECT json_agg(json_build_object(
		'shard', shard_id,
		'state', state,
		'owner', lease_owner,
		'counter', lease_counter,
		'checkpoint', checkpoint,
		'expires', expires_at,
		'switches', owner_switches_since_checkpoint,
		'lag_records', lag_records,
		'lag_seconds', lag_seconds,
		'attempts', attempts)
		ORDER BY lag_seconds DESC NULLS LAST, shard_id) FROM page), '[]'))
