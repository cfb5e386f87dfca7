-- $1 whether to show each shard: lines for Prometheus of ddbstreams' views.
--
-- Each view gives samples: a metric, its labels as two arrays, and a value.  Labels
-- are escaped, and lines made, in one place for all of them.  A metric is shown for
-- each stream, mapping or consumer; those of single shards, which may be thousands,
-- only if $1 says so.  What is counted for a shard goes with the shard: its sum
-- over a mapping falls then, and so is no counter.
WITH metric (no, name, type, help) AS (VALUES
	(10, 'ddbstreams_up', 'gauge', ''),
	(100, 'ddbstreams_stream_shards', 'gauge', 'Shards of a stream, open and closed.'),
	(110, 'ddbstreams_stream_records', 'gauge', 'Records of a stream that can be read.'),
	(120, 'ddbstreams_stream_bytes', 'gauge', 'What a stream takes on disk.'),
	(130, 'ddbstreams_stream_oldest_timestamp_seconds', 'gauge', 'Time of the first record of a stream.'),
	(140, 'ddbstreams_stream_newest_timestamp_seconds', 'gauge', 'Time of the last record of a stream.'),
	(150, 'ddbstreams_stream_records_per_second', 'gauge', 'Records written per second over the last minute.'),
	(160, 'ddbstreams_stream_busiest_shard_records_per_second', 'gauge', 'The same, of the shard with most.'),
	(170, 'ddbstreams_stream_open_shards', 'gauge', 'Shards of a stream that get records.'),
	(180, 'ddbstreams_stream_retention_seconds', 'gauge', 'How long a stream keeps its records.'),
	(200, 'ddbstreams_shard_records', 'gauge', 'Records of a shard that can be read.'),
	(210, 'ddbstreams_shard_bytes', 'gauge', 'What a shard takes on disk.'),
	(220, 'ddbstreams_shard_oldest_timestamp_seconds', 'gauge', 'Time of the first record of a shard.'),
	(230, 'ddbstreams_shard_newest_timestamp_seconds', 'gauge', 'Time of the last record of a shard.'),
	(240, 'ddbstreams_shard_records_per_second', 'gauge', 'Records written per second over the last minute.'),
	(250, 'ddbstreams_append_commits_total', 'counter', 'Transactions that have appended records to a stream.'),
	(260, 'ddbstreams_append_records_total', 'counter', 'Records that they have appended.'),
	(270, 'ddbstreams_append_bytes_total', 'counter', 'Bytes of these records and of their large values.'),
	(280, 'ddbstreams_append_seconds_total', 'counter', 'Time that the appends have taken.'),
	(290, 'ddbstreams_append_lock_seconds_total', 'counter', 'Time in which append locks were held.'),
	(291, 'ddbstreams_append_lock_waits_total', 'counter', 'How often an append lock was waited for.'),
	(292, 'ddbstreams_append_lock_wait_seconds_total', 'counter', 'Time in which append locks were waited for.'),
	(300, 'ddbstreams_mapping_lag_records', 'gauge', 'Records behind the checkpoints of a mapping.'),
	(310, 'ddbstreams_mapping_lag_seconds', 'gauge', 'Age of the first record behind the checkpoints of a mapping.'),
	(320, 'ddbstreams_mapping_attempts', 'gauge', 'Calls for the present batch, of the lane with most.'),
	(330, 'ddbstreams_mapping_lanes', 'gauge', 'Lanes of a mapping by their state.'),
	(340, 'ddbstreams_mapping_records_delivered', 'gauge', 'Records whose effects were committed, of the shards that are there.'),
	(350, 'ddbstreams_mapping_records_filtered', 'gauge', 'Records that the filter has passed over, of the shards that are there.'),
	(360, 'ddbstreams_mapping_records_lost', 'gauge', 'Records that expired before they were delivered, of the shards that are there.'),
	(370, 'ddbstreams_mapping_records_given_up', 'gauge', 'Records of batches that were given up, of the shards that are there.'),
	(380, 'ddbstreams_mapping_batches_delivered', 'gauge', 'Batches that were delivered completely, of the shards that are there.'),
	(390, 'ddbstreams_mapping_batches_failed', 'gauge', 'Batches that were given up, of the shards that are there.'),
	(391, 'ddbstreams_mapping_failing_since_timestamp_seconds', 'gauge', 'When the first lane of a mapping that fails now began to.'),
	(400, 'ddbstreams_mapping_shard_lag_records', 'gauge', 'Records behind the checkpoint of a mapping in a shard.'),
	(410, 'ddbstreams_mapping_shard_lag_seconds', 'gauge', 'Age of the first record behind the checkpoint of a mapping in a shard.'),
	(420, 'ddbstreams_mapping_shard_attempts', 'gauge', 'Calls for the present batch of a mapping in a shard.'),
	(440, 'ddbstreams_mapping_shard_records_delivered_total', 'counter', 'Records whose effects were committed.'),
	(450, 'ddbstreams_mapping_shard_records_filtered_total', 'counter', 'Records that the filter has passed over.'),
	(460, 'ddbstreams_mapping_shard_records_lost_total', 'counter', 'Records that expired before they were delivered.'),
	(470, 'ddbstreams_mapping_shard_records_given_up_total', 'counter', 'Records of batches that were given up.'),
	(480, 'ddbstreams_mapping_shard_batches_delivered_total', 'counter', 'Batches that were delivered completely.'),
	(490, 'ddbstreams_mapping_shard_batches_failed_total', 'counter', 'Batches that were given up.'),
	(500, 'ddbstreams_consumer_lag_records', 'gauge', 'Records behind the checkpoints of a consumer.'),
	(510, 'ddbstreams_consumer_lag_seconds', 'gauge', 'Age of the first record behind the checkpoints of a consumer.'),
	(520, 'ddbstreams_consumer_attempts', 'gauge', 'Polls since the last checkpoint, of the shard with most.'),
	(530, 'ddbstreams_consumer_shards', 'gauge', 'Shards of a consumer by their state.'),
	(540, 'ddbstreams_consumer_lost_records_total', 'counter', 'Records that a consumer has lost to the retention.'),
	(600, 'ddbstreams_consumer_shard_lag_records', 'gauge', 'Records behind the checkpoint of a consumer in a shard.'),
	(610, 'ddbstreams_consumer_shard_lag_seconds', 'gauge', 'Age of the first record behind the checkpoint of a consumer in a shard.'),
	(620, 'ddbstreams_consumer_shard_attempts', 'gauge', 'Polls since the last checkpoint of a consumer in a shard.'),
	(700, 'ddbstreams_workers', 'gauge', 'Background workers that run.'),
	(710, 'ddbstreams_workers_failing', 'gauge', 'Background workers whose last run has failed.'),
	(711, 'ddbstreams_workers_waiting', 'gauge', 'Background workers for which there is no worker slot.'),
	(720, 'ddbstreams_workers_last_run_timestamp_seconds', 'gauge', 'The end of the last run of a background worker.')),
shard AS MATERIALIZED (
	SELECT * FROM ddbstreams.stream_stats),
append AS MATERIALIZED (
	SELECT * FROM ddbstreams.append_stats),
lane AS MATERIALIZED (
	SELECT * FROM ddbstreams.mapping_stats),
-- the lanes of a shard share its records
mapping_shard AS MATERIALIZED (
	SELECT mapping, function_name, stream_arn, shard_id,
		max(lag_records) AS lag_records, max(lag_seconds) AS lag_seconds, max(attempts) AS attempts,
		sum(records_delivered) AS records_delivered, sum(records_filtered) AS records_filtered,
		sum(records_lost) AS records_lost, sum(records_given_up) AS records_given_up,
		sum(batches_delivered) AS batches_delivered, sum(batches_failed) AS batches_failed
	FROM lane GROUP BY mapping, function_name, stream_arn, shard_id),
consumer AS MATERIALIZED (
	SELECT * FROM ddbstreams.consumer_stats),
sample (name, keys, labels, value) AS (
	SELECT 'ddbstreams_up', '{}'::text[], '{}'::text[], 1::float8
	UNION ALL
	SELECT 'ddbstreams_stream_' || v.name, '{stream}', ARRAY[stream_arn], v.value
	FROM (SELECT stream_arn, count(*) AS shards, sum(records) AS records, sum(bytes) AS bytes,
			min(oldest) AS oldest, max(newest) AS newest,
			sum(records_per_second) AS rate, max(records_per_second) AS busiest,
			count(*) FILTER (WHERE is_open) AS open_shards, max(retention) AS retention
		FROM shard GROUP BY stream_arn) s, LATERAL (VALUES
		('shards', shards::float8),
		('records', records::float8),
		('bytes', bytes::float8),
		('oldest_timestamp_seconds', extract(epoch FROM oldest)::float8),
		('newest_timestamp_seconds', extract(epoch FROM newest)::float8),
		('records_per_second', rate),
		('open_shards', open_shards::float8),
		('retention_seconds', extract(epoch FROM retention)::float8),
		('busiest_shard_records_per_second', busiest)) v (name, value)
	UNION ALL
	SELECT 'ddbstreams_shard_' || v.name, '{stream,shard}', ARRAY[stream_arn, shard_id], v.value
	FROM shard, LATERAL (VALUES
		('records', records::float8),
		('bytes', bytes::float8),
		('oldest_timestamp_seconds', extract(epoch FROM oldest)::float8),
		('newest_timestamp_seconds', extract(epoch FROM newest)::float8),
		('records_per_second', records_per_second)) v (name, value)
	WHERE $1::bool
	UNION ALL
	SELECT 'ddbstreams_append_' || v.name, '{stream}', ARRAY[stream_arn], v.value
	FROM append, LATERAL (VALUES
		('commits_total', commits::float8),
		('records_total', records::float8),
		('bytes_total', bytes::float8),
		('seconds_total', append_time / 1000),
		('lock_seconds_total', lock_time / 1000),
		('lock_waits_total', lock_waits::float8),
		('lock_wait_seconds_total', lock_wait_time / 1000)) v (name, value)
	UNION ALL
	SELECT 'ddbstreams_mapping_' || v.name, '{mapping,function,stream}',
		ARRAY[mapping::text, function_name, stream_arn], v.value
	FROM (SELECT mapping, function_name, stream_arn,
			sum(lag_records) AS lag_records, max(lag_seconds) AS lag_seconds, max(attempts) AS attempts,
			sum(records_delivered) AS records_delivered, sum(records_filtered) AS records_filtered,
			sum(records_lost) AS records_lost, sum(records_given_up) AS records_given_up,
			sum(batches_delivered) AS batches_delivered, sum(batches_failed) AS batches_failed
		FROM mapping_shard GROUP BY mapping, function_name, stream_arn) m, LATERAL (VALUES
		('lag_records', lag_records::float8),
		('lag_seconds', lag_seconds),
		('attempts', attempts::float8),
		('records_delivered', records_delivered::float8),
		('records_filtered', records_filtered::float8),
		('records_lost', records_lost::float8),
		('records_given_up', records_given_up::float8),
		('batches_delivered', batches_delivered::float8),
		('batches_failed', batches_failed::float8)) v (name, value)
	UNION ALL
	SELECT 'ddbstreams_mapping_failing_since_timestamp_seconds', '{mapping,function,stream}',
		ARRAY[mapping::text, function_name, stream_arn], extract(epoch FROM min(failing_since))::float8
	FROM lane GROUP BY mapping, function_name, stream_arn
	UNION ALL
	SELECT 'ddbstreams_mapping_lanes', '{mapping,function,stream,state}',
		ARRAY[mapping::text, function_name, stream_arn, state], count(*)::float8
	FROM lane GROUP BY mapping, function_name, stream_arn, state
	UNION ALL
	SELECT 'ddbstreams_mapping_shard_' || v.name, '{mapping,function,stream,shard}',
		ARRAY[mapping::text, function_name, stream_arn, shard_id], v.value
	FROM mapping_shard, LATERAL (VALUES
		('lag_records', lag_records::float8),
		('lag_seconds', lag_seconds),
		('attempts', attempts::float8),
		('records_delivered_total', records_delivered::float8),
		('records_filtered_total', records_filtered::float8),
		('records_lost_total', records_lost::float8),
		('records_given_up_total', records_given_up::float8),
		('batches_delivered_total', batches_delivered::float8),
		('batches_failed_total', batches_failed::float8)) v (name, value)
	WHERE $1::bool AND shard_id IS NOT NULL
	UNION ALL
	-- what a consumer has lost is the same in all its rows
	SELECT 'ddbstreams_consumer_' || v.name, '{consumer,stream}', ARRAY[consumer_name, stream_arn], v.value
	FROM (SELECT consumer_name, stream_arn, sum(lag_records) AS lag_records, max(lag_seconds) AS lag_seconds,
			max(attempts) AS attempts, max(lost_records) AS lost_records
		FROM consumer GROUP BY consumer_name, stream_arn) c, LATERAL (VALUES
		('lag_records', lag_records::float8),
		('lag_seconds', lag_seconds),
		('attempts', attempts::float8),
		('lost_records_total', lost_records::float8)) v (name, value)
	UNION ALL
	SELECT 'ddbstreams_consumer_shards', '{consumer,stream,state}',
		ARRAY[consumer_name, stream_arn, state], count(*)::float8
	FROM consumer WHERE shard_id IS NOT NULL GROUP BY consumer_name, stream_arn, state
	UNION ALL
	SELECT 'ddbstreams_consumer_shard_' || v.name, '{consumer,stream,shard}',
		ARRAY[consumer_name, stream_arn, shard_id], v.value
	FROM consumer, LATERAL (VALUES
		('lag_records', lag_records::float8),
		('lag_seconds', lag_seconds),
		('attempts', attempts::float8)) v (name, value)
	WHERE $1::bool AND shard_id IS NOT NULL
	UNION ALL
	SELECT 'ddbstreams_workers' || v.name, '{database,type}', ARRAY[database, worker_type], v.value
	FROM (SELECT database, worker_type, count(pid) AS running, count(last_error) AS failing, max(last_run) FILTER (WHERE state <> 'resting') AS last_run,
			count(*) FILTER (WHERE state = 'waiting for a worker slot') AS waiting
		FROM ddbstreams.workers GROUP BY database, worker_type) w, LATERAL (VALUES
		('', running::float8),
		('_failing', failing::float8),
		('_waiting', waiting::float8),
		('_last_run_timestamp_seconds', extract(epoch FROM last_run)::float8)) v (name, value)),
line (name, text) AS (
	SELECT s.name, s.name || coalesce('{' || (SELECT string_agg(l.key || '="' ||
			replace(replace(replace(coalesce(l.label, ''), '\', '\\'), '"', '\"'), chr(10), '\n') || '"', ',')
		FROM unnest(s.keys, s.labels) l (key, label)) || '}', '') || ' ' || s.value || chr(10)
	FROM sample s WHERE s.value IS NOT NULL)
SELECT string_agg(lines.head || lines.text, '' ORDER BY lines.no)
FROM (SELECT m.no,
		CASE WHEN m.help = '' THEN '' ELSE
			'# HELP ' || m.name || ' ' || m.help || chr(10) || '# TYPE ' || m.name || ' ' || m.type || chr(10) END AS head,
		string_agg(l.text, '' ORDER BY l.text COLLATE "C") AS text
	FROM metric m JOIN line l USING (name) GROUP BY m.no, m.name, m.type, m.help) lines
