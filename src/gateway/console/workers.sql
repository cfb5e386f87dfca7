SELECT json_build_object('items', coalesce(json_agg(json_build_object(
	'pid', pid,
	'database', database,
	'type', worker_type,
	'state', state,
	'last_run', last_run,
	'last_error', last_error)
	ORDER BY database NULLS FIRST, worker_type, pid), '[]'))
FROM ddbstreams.workers
