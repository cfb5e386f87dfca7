-- $1 batch: why it failed, and its first 100 records.  Large ones stay where they are.
WITH batch AS MATERIALIZED (
	SELECT * FROM ddbstreams.failed_batches WHERE id = $1::uuid),
record AS (
	SELECT r.value AS record, r.ordinality AS place, octet_length(r.value::text) AS size
	FROM batch, jsonb_array_elements(CASE WHEN jsonb_typeof(records) = 'array' THEN records END)
		WITH ORDINALITY r
	WHERE r.ordinality <= 100)
SELECT json_build_object(
	'failure', (SELECT failure - 'payload' FROM batch),
	'total', (SELECT CASE WHEN jsonb_typeof(records) = 'array' THEN jsonb_array_length(records) END FROM batch),
	'items', coalesce((SELECT json_agg(json_build_object(
		'id', record->>'eventID',
		'number', record->'dynamodb'->>'SequenceNumber',
		'event', record->>'eventName',
		'at', to_timestamp((record->'dynamodb'->>'ApproximateCreationDateTime')::float8),
		'identity', record->'userIdentity',
		'view_type', record->'dynamodb'->>'StreamViewType',
		'size', size,
		'keys', CASE WHEN size <= 65536 THEN record->'dynamodb'->'Keys' END,
		'old', CASE WHEN size <= 65536 THEN record->'dynamodb'->'OldImage' END,
		'new', CASE WHEN size <= 65536 THEN record->'dynamodb'->'NewImage' END)
		ORDER BY place) FROM record), '[]'))
