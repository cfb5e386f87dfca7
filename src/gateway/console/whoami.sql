SELECT json_build_object(
	'role', current_user,
	'database', current_database(),
	'server_version', split_part(current_setting('server_version'), ' ', 1),
	'standby', pg_is_in_recovery(),
	'extension', (SELECT extversion FROM pg_extension WHERE extname = 'ddbstreams'))
