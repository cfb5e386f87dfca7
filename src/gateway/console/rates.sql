-- $1 search, $2 offset: how much is in ten of the streams that streams.sql lists
WITH page AS MATERIALIZED (
	SELECT stream_arn FROM ddbstreams.list_streams()
	WHERE position(lower(coalesce($1, '')) IN lower(table_name || ' ' || stream_arn)) > 0
	ORDER BY stream_status DESC, table_name, creation_request_date_time DESC
	LIMIT 10 OFFSET greatest(coalesce($2::int, 0), 0))
SELECT json_build_object('items', coalesce(json_agg(item), '[]'))
FROM (
	SELECT json_build_object(
		'arn', p.stream_arn,
		'shards', count(*),
		'records', sum(s.records),
		'bytes', sum(s.bytes),
		'newest', max(s.newest),
		'rate', round(sum(s.records_per_second)::numeric, 3)) AS item
	FROM page p, ddbstreams.list_stream_stats(p.stream_arn) s
	GROUP BY p.stream_arn) rates
