-- $1 search, $2 offset
WITH mine AS MATERIALIZED (
	SELECT * FROM ddbstreams.list_streams()),
found AS (
	SELECT * FROM mine
	WHERE position(lower(coalesce($1, '')) IN lower(table_name || ' ' || stream_arn)) > 0),
page AS (
	SELECT * FROM found
	ORDER BY stream_status DESC, table_name, creation_request_date_time DESC
	LIMIT 50 OFFSET greatest(coalesce($2::int, 0), 0))
SELECT json_build_object(
	'all', (SELECT count(*) FROM mine),
	'total', (SELECT count(*) FROM found),
	'items', coalesce((SELECT json_agg(json_build_object(
		'arn', stream_arn,
		'table', table_name,
		'status', stream_status,
		'view_type', stream_view_type,
		'created', creation_request_date_time,
		'retention', extract(epoch FROM retention)::float8)
		ORDER BY stream_status DESC, table_name, creation_request_date_time DESC)
		FROM page), '[]'))
