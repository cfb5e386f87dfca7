# Event source mappings: what becomes of batches.  Delivery, retries, bisecting,
# reported item failures, record age, failed batches and redrive, tumbling
# windows, filters, lanes, lineage, the horizon.
#
# To see it fail: test/mutations/run attempts-kept-after-part
# adopted-unit-left-idle bisect-without-half call-no-kept-at-end
# delivery-children-first event-keys-unsorted event-without-offsets failing-since-kept failure-always-unhandled
# changed-lane-rests changed-unit-rests failure-counts-from-zero lanes-divided-at-once position-saved-before-call
# position-saved-whatever-is-there records-given-up-not-counted
# unknown-identifier-is-success.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);
use StreamTest qw(:DEFAULT sql comes_to);

my $node = new_server('delivery', q{
ddbstreams.max_workers = 4
max_worker_processes = 16
log_min_messages = warning
});

# A table with a stream, and a handler that is told by table "mood" what to do.
# It writes down each record that it sees (seen), and in a sequence that no
# rollback undoes how often it was called.
sub make_table
{
	my ($name, $shards) = @_;

	sql(qq{
		CREATE TABLE $name (id int PRIMARY KEY, v int);
		CREATE TABLE ${name}_seen (n serial, id int, v int, event text, xid xid8 DEFAULT pg_current_xact_id());
		CREATE TABLE ${name}_mood (poison int, answer jsonb, raise bool DEFAULT true);
		INSERT INTO ${name}_mood DEFAULT VALUES;
		CREATE SEQUENCE ${name}_calls;
		CREATE FUNCTION ${name}_handler(event jsonb) RETURNS jsonb LANGUAGE plpgsql AS \$\$
		DECLARE
			r jsonb;
			mood record;
		BEGIN
			PERFORM nextval('${name}_calls');
			SELECT * INTO mood FROM ${name}_mood;
			FOR r IN SELECT * FROM jsonb_array_elements(event->'Records') LOOP
				INSERT INTO ${name}_seen (id, v, event)
				VALUES ((r->'dynamodb'->'Keys'->'id'->>'N')::int, (r->'dynamodb'->'NewImage'->'v'->>'N')::int,
					r->>'eventName');
				IF (r->'dynamodb'->'Keys'->'id'->>'N')::int = mood.poison THEN
					IF mood.raise THEN
						RAISE 'record % is poison', mood.poison;
					END IF;
					RETURN jsonb_build_object('batchItemFailures', jsonb_build_array(
						jsonb_build_object('itemIdentifier', r->'dynamodb'->'SequenceNumber')));
				END IF;
			END LOOP;
			RETURN mood.answer;
		END \$\$;
		SELECT ddbstreams.enable_stream('$name', shard_count => $shards)});
	return;
}

sub make_mapping
{
	my ($name, $parameters) = @_;

	$parameters = ", $parameters" if $parameters;
	return sql(qq{SELECT ddbstreams.create_event_source_mapping('${name}_handler',
		ddbstreams.latest_stream_arn('$name'), 'TRIM_HORIZON' } . ($parameters // '') . ')');
}

sub seen
{
	my ($name) = @_;
	return qq{SELECT coalesce(string_agg(left(event, 1) || id, ' ' ORDER BY n), '') FROM ${name}_seen};
}

# Each key's changes (v is 1, 2, 3, …) have been seen once each, in order
sub once_in_order
{
	my ($name) = @_;
	return qq{SELECT count(*) || ' records, ' || count(*) FILTER (WHERE v IS DISTINCT FROM nth) || ' faults'
		FROM (SELECT v, row_number() OVER (PARTITION BY id ORDER BY n) AS nth FROM ${name}_seen) s};
}

sub stats
{
	my ($uuid, $columns) = @_;
	return qq{SELECT $columns FROM ddbstreams.mapping_stats WHERE mapping = '$uuid'};
}

# Disables a mapping while its call waits for an advisory lock of $holder and the
# dispatcher stands still, and enables it when its worker has found it disabled:
# a step finds that out, and the dispatcher looks only afterwards.
sub disable_for_a_moment
{
	my ($mapping, $holder, $lock, $seen) = @_;
	my $dispatcher = sql(q{SELECT pid FROM ddbstreams.workers WHERE worker_type = 'dispatcher'});

	kill('STOP', $dispatcher);
	sql(qq{SELECT ddbstreams.update_event_source_mapping('$mapping', enabled => false)});
	$holder->query_safe("SELECT pg_advisory_unlock($lock)");
	comes_to($seen->[0], $seen->[1], 'its call has ended');
	comes_to(q{SELECT state FROM pg_stat_activity WHERE pid IN (SELECT pid FROM ddbstreams.workers
		WHERE worker_type = 'handler') AND state <> 'idle'}, '', '... and its worker has found the mapping disabled');
	sql(qq{SELECT ddbstreams.update_event_source_mapping('$mapping', enabled => true)});
	kill('CONT', $dispatcher);
	return;
}

my $uuid;

# --- delivery ------------------------------------------------------------------

make_table('plain', 1);
sql(q{INSERT INTO plain VALUES (1, 1)});
$uuid = make_mapping('plain');
comes_to(seen('plain'), 'I1', 'a record from before the mapping is delivered');
sql(q{UPDATE plain SET v = 2; DELETE FROM plain; INSERT INTO plain SELECT i, 1 FROM generate_series(2, 250) i});
comes_to(q{SELECT count(*), count(DISTINCT xid) >= 3 FROM plain_seen}, '252|t',
	'records come in batches of at most 100');
is(sql(q{SELECT string_agg(left(event, 1) || id, ' ' ORDER BY n) FROM plain_seen WHERE n < 6}),
	'I1 M1 R1 I2 I3', 'in order');
comes_to(q{SELECT state, last_processing_result FROM ddbstreams.list_event_source_mappings()},
	'Enabled|OK', 'the mapping is Enabled and OK');
comes_to(stats($uuid, 'lag_records, lag_seconds, attempts, state, last_error, records_delivered, worker_pid'),
	'0|0|0|ready||252|', 'mapping_stats');

# record_image_eq compares bytes.  Names, texts and numbers go through all that
# json_to_jsonb.c has: escapes, more entries than one stride of offsets, more keys
# than are sorted by insertion.  Only the last batch has a key twice, and is left to
# jsonb_in.
my $many = join(', ', map { qq{"column $_" int DEFAULT $_} } 1 .. 70);
sql(qq{
	CREATE TABLE shapes (id int PRIMARY KEY, doc jsonb, "quoted"" \\\\ name" text, amount numeric, list text[], raw json, $many);
	CREATE TABLE shapes_seen (same bool, records int);
	CREATE FUNCTION shapes_handler(event jsonb) RETURNS void LANGUAGE sql AS \$\$
		INSERT INTO shapes_seen VALUES (record_image_eq(row(event), row(event::text::jsonb)),
			jsonb_array_length(event->'Records')) \$\$;
	SELECT ddbstreams.enable_stream('shapes', shard_count => 1);
	INSERT INTO shapes
	SELECT i, jsonb_build_object(md5(i::text), i, repeat('k', i % 9), array_fill(i, array[i % 70]),
			'"\\/' || chr(1 + i % 127), jsonb_build_array(null, true, false, '{}'::jsonb, '[]'::jsonb, 1.5e3, -0.25, E'\\xe2\\x82\\xac')),
		E'a\\b\\f\\n\\r\\t\\x01\\x7f"\\\\/' || repeat(E'\\xc3\\xa4', i % 40), (i - 100) / 7.0, array_fill('x'::text, array[i % 100]),
		('{"a": 1, "b": [1, 2 , {"c" : null}], "' || CASE WHEN i > 280 THEN 'a' ELSE 'aa' END || '": "twice"}')::json
	FROM generate_series(1, 300) i});
my $shapes = make_mapping('shapes', 'batch_size => 70');
comes_to(q{SELECT bool_and(same), sum(records) FROM shapes_seen}, 't|300', 'an event is what jsonb makes of its text');
sql(qq{SELECT ddbstreams.delete_event_source_mapping('$shapes')});

sql(qq{SELECT ddbstreams.update_event_source_mapping('$uuid', enabled => false)});
sql(q{INSERT INTO plain VALUES (1000, 1)});
comes_to(q{SELECT state FROM ddbstreams.list_event_source_mappings()}, 'Disabled', 'disabled');
is(sql(stats($uuid, 'lag_records, state')), '1|disabled', '... it lags');
sql(qq{SELECT ddbstreams.update_event_source_mapping('$uuid', enabled => true)});
comes_to(q{SELECT count(*) FROM plain_seen WHERE id = 1000}, '1', 'enabled again, it goes on where it was');
$node->restart;
sql(q{INSERT INTO plain VALUES (1001, 1)});
comes_to(q{SELECT count(*) FROM plain_seen WHERE id >= 1000}, '2', '... and after a restart');
kill_server($node);
$node->start;
sql(q{INSERT INTO plain VALUES (1002, 1)});
comes_to(q{SELECT count(*) FROM plain_seen WHERE id >= 1000}, '3', '... and after a crash');

# The event
sql(q{
	CREATE TABLE events (n serial, event jsonb);
	CREATE FUNCTION keep_event(event jsonb) RETURNS void LANGUAGE sql AS 'INSERT INTO events (event) VALUES ($1)'});
sql(q{SELECT ddbstreams.create_event_source_mapping('keep_event', ddbstreams.latest_stream_arn('plain'), 'LATEST')});
sql(q{INSERT INTO plain VALUES (2000, 7)});
comes_to(q{SELECT count(*) FROM events}, '1', 'a mapping at LATEST gets only what comes after it, from a function without an answer');
is(sql(q{SELECT string_agg(k, ' ' ORDER BY k) FROM events, jsonb_object_keys(event) k}), 'Records', 'the event has Records');
is(sql(q{SELECT string_agg(k, ' ' ORDER BY k COLLATE "C") FROM events, jsonb_object_keys(event->'Records'->0) k}),
	'awsRegion dynamodb eventID eventName eventSource eventSourceARN eventVersion', 'members of a record');
is(sql(q{SELECT event->'Records'->0->>'eventSourceARN' = ddbstreams.latest_stream_arn('plain'),
	event->'Records'->0->>'awsRegion', event->'Records'->0->'dynamodb'->'NewImage' FROM events}), 't|ddblocal|{"v": {"N": "7"}, "id": {"N": "2000"}}', 'what they are');
is(sql(q{SELECT (event->'Records'->0->'dynamodb') - 'ApproximateCreationDateTime' =
		((ddbstreams.aws('GetRecords', json_build_object('ShardIterator', ddbstreams.get_shard_iterator(
			ddbstreams.latest_stream_arn('plain'), shard_id, 'AT_SEQUENCE_NUMBER',
			event->'Records'->0->'dynamodb'->>'SequenceNumber')))->'Records'->0->'dynamodb')::jsonb
		- 'ApproximateCreationDateTime')
	FROM events, ddbstreams.describe_stream(ddbstreams.latest_stream_arn('plain'))}), 't', '... as GetRecords has them');
is(sql(q{SELECT event->'Records'->0->'dynamodb'->>'ApproximateCreationDateTime' ~ '^[0-9]+[.]0$' FROM events}), 't',
	'... but the time has a fraction');

# Lambda's usual filter of expired items
sql(q{
	CREATE TABLE expired (record jsonb);
	CREATE FUNCTION keep_expired(event jsonb) RETURNS void LANGUAGE sql AS
		$$ INSERT INTO expired SELECT jsonb_array_elements(event->'Records') $$});
sql(q{SELECT ddbstreams.create_event_source_mapping('keep_expired', ddbstreams.latest_stream_arn('plain'), 'LATEST',
	filter_criteria => '{"Filters": [{"Pattern": "{\"userIdentity\": {\"type\": [\"Service\"], \"principalId\": [\"dynamodb.amazonaws.com\"]}}"}]}')});
sql(q{DELETE FROM plain WHERE id = 2});
sql(q{SET ddbstreams.user_identity = 'User:ada'; DELETE FROM plain WHERE id = 3});
sql(q{SET ddbstreams.user_identity = 'Service:dynamodb.amazonaws.com'; DELETE FROM plain WHERE id = 2000});
comes_to(q{SELECT count(*) FROM expired}, '1', 'a mapping gets what was deleted because it was out of date');
is(sql(q{SELECT record->>'eventName', record->'dynamodb'->'Keys'->'id'->>'N', record->'userIdentity' FROM expired}),
	'REMOVE|2000|{"type": "Service", "principalId": "dynamodb.amazonaws.com"}', '... with its identity');

# --- a poison record, with the default settings ----------------------------------

make_table('poison', 2);
sql(q{UPDATE poison_mood SET poison = 13});
$uuid = make_mapping('poison');
sql(q{INSERT INTO poison SELECT i, 1 FROM generate_series(1, 20) i});
# which shard has it?
my $blocked = sql(q{SELECT shard FROM follow('poison') WHERE id = '13'});
my $good = sql(qq{SELECT count(*) FROM follow('poison') WHERE shard <> $blocked});
comes_to(qq{SELECT count(*) FROM poison_seen}, $good, 'the other shard is delivered');
comes_to(stats($uuid, q{string_agg(state, ' ' ORDER BY state), max(last_error), count(last_error)}),
	'ready retrying|record 13 is poison|1', 'the blocked shard is easy to see');
comes_to(qq{SELECT last_processing_result FROM ddbstreams.list_event_source_mappings() WHERE uuid = '$uuid'},
	'PROBLEM: Function call failed', '... in the mapping too');
comes_to(q{SELECT last_value > 5 FROM poison_calls}, 't', 'it is tried again and again');
sql(q{UPDATE poison SET v = 2});
comes_to(qq{SELECT count(*) FROM poison_seen}, 2 * $good, 'the other shard goes on');
is(sql(stats($uuid, 'max(attempts) > 2, max(lag_records), max(lag_seconds) > 0')), 't|' . 2 * (20 - $good) . '|t',
	'attempts and lag');
is(sql(stats($uuid, q{count(*), count(failing_since), max(last_error_sqlstate), bool_or(failing_since < last_error_at)})),
	'2|1|P0001|t', 'since when, and the SQLSTATE');
sql(q{UPDATE poison_mood SET poison = NULL});
comes_to(once_in_order('poison'), '40 records, 0 faults', 'mended, all is delivered once and in order');
comes_to(stats($uuid, q{string_agg(state, ' '), max(last_error)}), 'ready ready|record 13 is poison', 'and ready');
is(sql(stats($uuid, q{count(failing_since), max(last_error_sqlstate)})), '0|P0001', '... and failing no more');
is(sql(q{SELECT count(*) FROM ddbstreams.failed_batches}), '0', 'no batch has failed');

# --- bisect ------------------------------------------------------------------------

make_table('halves', 1);
sql(q{UPDATE halves_mood SET poison = 13});
sql(q{INSERT INTO halves SELECT i, 1 FROM generate_series(1, 20) i});
$uuid = make_mapping('halves', 'bisect_batch_on_function_error => true, maximum_retry_attempts => 2');
comes_to(q{SELECT count(*) FROM ddbstreams.failed_batches}, '1', 'a batch is given up');
is(sql(q{SELECT failure->'requestContext'->>'condition', failure->'requestContext'->'approximateInvokeCount',
		failure->'responseContext'->>'functionError', failure->'DDBStreamBatchInfo'->'batchSize',
		failure->'DDBStreamBatchInfo'->>'startSequenceNumber' = failure->'DDBStreamBatchInfo'->>'endSequenceNumber',
		failure->'DDBStreamBatchInfo'->>'startSequenceNumber' = records->0->'dynamodb'->>'SequenceNumber',
		jsonb_array_length(records), records->0->'dynamodb'->'Keys'->'id'->>'N', failure->'payload'->'Records' = records
	FROM ddbstreams.failed_batches}),
	'RetryAttemptsExhausted|3|Unhandled|1|t|t|1|13|t', 'the poison record alone, after two retries');
is(sql(qq{SELECT mapping = '$uuid', stream_arn = ddbstreams.latest_stream_arn('halves'),
		shard_id = (SELECT shard_id FROM ddbstreams.describe_stream(stream_arn)), redriven_at
	FROM ddbstreams.failed_batches}), 't|t|t|', '... under its names');
is(sql(q{SELECT failure->'requestContext'->>'functionArn' FROM ddbstreams.failed_batches}),
	'arn:aws:lambda:ddblocal:000000000000:function:halves_handler', 'functionArn');
comes_to(seen('halves'), join(' ', map { "I$_" } 1 .. 12, 14 .. 20), 'all others are delivered');
is(sql(q{SELECT last_value <= 2 * 5 + 3 FROM halves_calls}), 't', 'in few calls');
sql(q{INSERT INTO halves VALUES (21, 1)});
comes_to(q{SELECT count(*) FROM halves_seen WHERE id = 21}, '1', 'the shard goes on');

is(sql(q{SELECT ddbstreams.redrive()}), '1', 'redrive');
comes_to(q{SELECT last_error, redrive_pending FROM ddbstreams.failed_batches}, 'record 13 is poison|f',
	'fails as long as the handler does');
sql(q{UPDATE halves_mood SET poison = NULL});
is(sql(qq{SELECT ddbstreams.redrive('$uuid')}), '1', 'redrive of the mapping, now mended');
comes_to(q{SELECT redriven_at > failed_at, last_error IS NULL FROM ddbstreams.failed_batches}, 't|t', 'is noted');
is(sql(q{SELECT count(*) FROM halves_seen WHERE id = 13}), '1', 'the record is delivered');
is(sql(q{SELECT ddbstreams.redrive(id) FROM ddbstreams.failed_batches}), '0', 'once');
is(sql(q{SELECT ddbstreams.redrive()}), '0', 'there is no other');
my ($code, $out, $err) = $node->psql('postgres', q{SELECT ddbstreams.redrive(gen_random_uuid())});
like($err, qr/The resource you requested does not exist/, 'redrive of an unknown batch is an error');

# --- retries and on_failure ------------------------------------------------------------

sql(q{SELECT own_sql('DELETE FROM ddbstreams_shards.failed_batch')});
make_table('giving', 1);
sql(q{UPDATE giving_mood SET poison = 3});
sql(q{
	CREATE TABLE told (failure jsonb);
	CREATE FUNCTION tell(failure jsonb) RETURNS void LANGUAGE sql AS 'INSERT INTO told VALUES ($1)';
	CREATE FUNCTION tell_badly(failure jsonb) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN INSERT INTO told VALUES ($1); RAISE 'cannot tell'; END $$});
$uuid = make_mapping('giving', q{maximum_retry_attempts => 1, on_failure => 'tell', batch_size => 3});
sql(q{INSERT INTO giving SELECT i, 1 FROM generate_series(1, 7) i});
comes_to(seen('giving'), 'I4 I5 I6 I7', 'without bisecting the batch is given up as a whole');
is(sql(q{SELECT last_value FROM giving_calls}), '4', 'after one retry');
is(sql(q{SELECT count(*), min(f.failure::text) = min(told.failure::text),
		min(f.failure->'requestContext'->>'approximateInvokeCount'), min(jsonb_array_length(f.records))
	FROM ddbstreams.failed_batches f, told}), '1|t|2|3', 'on_failure and failed_batches tell the same');
sql(qq{SELECT ddbstreams.update_event_source_mapping('$uuid', on_failure => 'tell_badly', maximum_retry_attempts => 0)});
sql(q{UPDATE giving SET v = 2 WHERE id = 3});
comes_to(q{SELECT count(*) FROM ddbstreams.failed_batches}, '2', 'a failing on_failure loses nothing');
is(sql(q{SELECT count(*) FROM told}), '1', '... and leaves nothing');
comes_to(stats($uuid, 'last_error, batches_failed, records_given_up, state'), 'on_failure: cannot tell|2|4|ready', '... but its error');

# Record age
sql(q{UPDATE giving_mood SET poison = NULL});
sql(qq{SELECT ddbstreams.update_event_source_mapping('$uuid', on_failure => '-', maximum_record_age => '60 s', enabled => false)});
sql(q{UPDATE giving SET v = 3 WHERE id = 1});
sql(q{ALTER SYSTEM SET ddbstreams.clock_offset = 120; SELECT pg_reload_conf()});
comes_to(q{SHOW ddbstreams.clock_offset}, '2min', 'two minutes go by');
sql(q{UPDATE giving SET v = 3 WHERE id = 2});
sql(qq{SELECT ddbstreams.update_event_source_mapping('$uuid', enabled => true)});
comes_to(q{SELECT count(*) FROM giving_seen WHERE id = 2 AND v = 3}, '1', 'the young record is delivered');
is(sql(q{SELECT count(*) FROM giving_seen WHERE id = 1 AND v = 3}), '0', 'the old one is not');
is(sql(q{SELECT failure->'requestContext'->>'condition', failure ? 'responseContext', jsonb_array_length(records),
	failure->'requestContext'->'approximateInvokeCount' FROM ddbstreams.failed_batches ORDER BY failed_at DESC LIMIT 1}),
	'RecordAgeExceeded|f|1|1', 'but given up, as after one call');
sql(q{ALTER SYSTEM RESET ddbstreams.clock_offset; SELECT pg_reload_conf()});

# --- ReportBatchItemFailures --------------------------------------------------------------

sql(q{SELECT own_sql('DELETE FROM ddbstreams_shards.failed_batch')});
make_table('report', 1);
sql(q{UPDATE report_mood SET poison = 6, raise = false});
sql(q{INSERT INTO report SELECT i, 1 FROM generate_series(1, 6) i});
$uuid = make_mapping('report', q{batch_size => 3, maximum_retry_attempts => 3,
	function_response_types => '{ReportBatchItemFailures}'});
comes_to(q{SELECT count(*) FROM ddbstreams.failed_batches}, '1', 'a record that is always reported is given up');
is(sql(seen('report')), 'I1 I2 I3 I4 I5 I6 I6 I6 I6 I6', 'good ones are seen once, the bad one five times');
is(sql(q{SELECT failure->'requestContext'->'approximateInvokeCount', failure->'responseContext'->'functionError',
	failure->'DDBStreamBatchInfo'->'batchSize' FROM ddbstreams.failed_batches}), '4|null|1',
	'the count starts afresh after partial progress');

# Several: the lowest counts
sql(q{
	CREATE FUNCTION report_two(event jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM nextval('report_calls');
		INSERT INTO report_seen (id) SELECT (r->'dynamodb'->'Keys'->'id'->>'N')::int
		FROM jsonb_array_elements(event->'Records') r;
		RETURN CASE WHEN jsonb_array_length(event->'Records') > 3 THEN jsonb_build_object('batchItemFailures', jsonb_build_array(
			jsonb_build_object('itemIdentifier', event->'Records'->3->'dynamodb'->'SequenceNumber'),
			jsonb_build_object('itemIdentifier', event->'Records'->2->'dynamodb'->'SequenceNumber'))) END;
	END $$;
	TRUNCATE report_seen RESTART IDENTITY;
	SELECT ddbstreams.create_event_source_mapping('report_two', ddbstreams.latest_stream_arn('report'), 'TRIM_HORIZON',
		function_response_types => '{ReportBatchItemFailures}', bisect_batch_on_function_error => true)});
comes_to(q{SELECT string_agg(id::text, ' ' ORDER BY n) FROM report_seen}, '1 2 3 4 5 6 3 4 5 6 5 6',
	'from the lowest one on all is retried, with bisecting too');

my @answers = (
	['{"batchItemFailures": []}', 'success'],
	['{"batchItemFailures": null}', 'success'],
	['{}', 'success'],
	['[]', 'success'],
	['null', 'success'],
	['NULL', 'success'],
	['"a text"', 'success'],
	['17', 'success'],
	['[{"itemIdentifier": ""}]', 'success'],
	['{"batchItemFailures": [{"itemIdentifier": ""}]}', 'failure'],
	['{"batchItemFailures": [{"itemIdentifier": null}]}', 'failure'],
	['{"batchItemFailures": [{"wrong": "1"}]}', 'failure'],
	['{"batchItemFailures": [{"itemIdentifier": "000000000000000000001"}]}', 'failure'],
	['{"batchItemFailures": [{"itemIdentifier": 1}]}', 'failure'],
	['{"batchItemFailures": [17]}', 'failure'],
	['{"batchItemFailures": "all"}', 'failure'],
	['{"batchItemFailures": {"itemIdentifier": ""}}', 'failure']);
make_table('answers', 1);
$uuid = make_mapping('answers', q{maximum_retry_attempts => 1, function_response_types => '{ReportBatchItemFailures}'});
my $v = 0;
sql(q{SELECT own_sql('DELETE FROM ddbstreams_shards.failed_batch'); INSERT INTO answers VALUES (1, 0)});
comes_to(seen('answers'), 'I1', 'table of answers');
foreach (@answers)
{
	my ($answer, $meaning) = @$_;
	my $literal = $answer eq 'NULL' ? 'NULL' : "'$answer'";

	$v++;
	sql(qq{SELECT own_sql('DELETE FROM ddbstreams_shards.failed_batch'); SELECT setval('answers_calls', 1, false);
		UPDATE answers_mood SET answer = $literal; UPDATE answers SET v = $v});
	comes_to(qq{SELECT CASE WHEN EXISTS (SELECT FROM answers_seen WHERE v = $v) THEN 'success'
			WHEN EXISTS (SELECT FROM ddbstreams.failed_batches) THEN 'failure' END,
			(SELECT last_value FROM answers_calls),
			(SELECT failure->'responseContext'->>'functionError' FROM ddbstreams.failed_batches)},
		$meaning eq 'success' ? 'success|1|' : 'failure|2|', "answer $answer: $meaning");
}
sql(qq{SELECT ddbstreams.update_event_source_mapping('$uuid', function_response_types => '{}');
	UPDATE answers_mood SET answer = '{"batchItemFailures": [{"itemIdentifier": ""}]}'; UPDATE answers SET v = 1000});
comes_to(q{SELECT count(*) FROM answers_seen WHERE v = 1000}, '1', 'ignored unless it was asked for');
sql(q{SELECT own_sql('DELETE FROM ddbstreams_shards.failed_batch');
	UPDATE answers_mood SET answer = to_jsonb(repeat('x', 7000000)); UPDATE answers SET v = 1001});
comes_to(stats($uuid, 'last_error, last_error_sqlstate, state'), 'the answer is larger than 6 MB|22023|ready', 'a huge answer is a failure');
is(sql(q{SELECT failure->'responseContext'->>'functionError' FROM ddbstreams.failed_batches}), 'Unhandled', '... of the function');
sql(q{CREATE OR REPLACE FUNCTION answers_handler(event jsonb) RETURNS jsonb LANGUAGE sql AS
	$$ SELECT to_jsonb(repeat('x', 100000000)) $$; UPDATE answers SET v = 1002});
comes_to(stats($uuid, 'batches_failed, state'), ((grep { $_->[1] eq 'failure' } @answers) + 2) . '|ready', '... one of 100 MB, too');

# --- functions that cannot be called --------------------------------------------------------

make_table('gone', 1);
$uuid = make_mapping('gone', 'maximum_retry_attempts => 0');
sql(q{INSERT INTO gone VALUES (1, 1)});
comes_to(seen('gone'), 'I1', 'there is a handler');
sql(q{ALTER FUNCTION gone_handler RENAME TO gone_away; INSERT INTO gone VALUES (2, 1)});
comes_to(stats($uuid, 'state, attempts, last_error, last_error_sqlstate, failing_since IS NOT NULL'), 'retrying|0|Function does not exist|42883|t',
	'a missing function is waited for, and costs no attempt');
comes_to(qq{SELECT last_processing_result FROM ddbstreams.list_event_source_mappings() WHERE uuid = '$uuid'},
	'PROBLEM: Function does not exist', '... and seen in the mapping');
sql(q{ALTER FUNCTION gone_away RENAME TO gone_handler});
comes_to(seen('gone'), 'I1 I2', 'it comes back');

# --- filters -------------------------------------------------------------------------------------

make_table('filtered', 1);
$uuid = make_mapping('filtered', q{filter_criteria => '{"Filters": [{"Pattern":
	"{\"eventName\": [\"INSERT\"], \"dynamodb\": {\"NewImage\": {\"v\": {\"N\": [\"5\"]}}}}"}]}'});
sql(q{INSERT INTO filtered SELECT i, i % 10 FROM generate_series(1, 50) i; UPDATE filtered SET v = 5});
comes_to(seen('filtered'), 'I5 I15 I25 I35 I45', 'only what the filter lets through');
comes_to(stats($uuid, 'lag_records, records_delivered, records_filtered, state'), '0|5|90|ready',
	'the checkpoint passes over the rest');

# --- batching window ---------------------------------------------------------------------------------

make_table('slow', 1);
$uuid = make_mapping('slow', q{batch_size => 5, maximum_batching_window => '5 s'});
my $start = time();
sql(q{INSERT INTO slow VALUES (1, 1); INSERT INTO slow VALUES (2, 1)});
comes_to(q{SELECT count(*), count(DISTINCT xid) FROM slow_seen}, '2|1', 'a batch is filled until the window is over');
cmp_ok(time() - $start, '>', 4.5, '... not before');
# longer than comes_to waits
sql(qq{SELECT ddbstreams.update_event_source_mapping('$uuid', maximum_batching_window => '300 s')});
sql(qq{INSERT INTO slow VALUES ($_, 1)}) foreach (3 .. 7);
comes_to(q{SELECT count(*), count(DISTINCT xid) FROM slow_seen}, '7|2', 'a full one is delivered at once');

# --- tumbling windows ----------------------------------------------------------------------------------

sql(q{
	CREATE TABLE ticks (id int PRIMARY KEY, v int);
	CREATE TABLE calls (n serial, event jsonb);
	CREATE TABLE ticks_mood (fail bool, state jsonb);
	INSERT INTO ticks_mood VALUES (false, NULL);
	CREATE FUNCTION tumble(event jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		IF (SELECT fail FROM ticks_mood) AND (event->>'isFinalInvokeForWindow')::bool THEN
			RAISE 'not now';
		END IF;
		INSERT INTO calls (event) VALUES (event);
		RETURN jsonb_build_object('state', coalesce((SELECT state FROM ticks_mood),
			jsonb_build_object('sum', coalesce((event->'state'->>'sum')::int, 0) + jsonb_array_length(event->'Records'))));
	END $$;
	SELECT ddbstreams.enable_stream('ticks', shard_count => 1)});
$uuid = sql(q{SELECT ddbstreams.create_event_source_mapping('tumble', ddbstreams.latest_stream_arn('ticks'), 'TRIM_HORIZON',
	batch_size => 3, tumbling_window => '2 s')});
# at the start of a window
sql(q{SELECT pg_sleep(2.1 - extract(epoch FROM clock_timestamp())::numeric % 2);
	INSERT INTO ticks SELECT i, 1 FROM generate_series(1, 7) i});
comes_to(q{SELECT count(*) FILTER (WHERE (event->>'isFinalInvokeForWindow')::bool) FROM calls}, '1', 'a window is closed');
is(sql(q{SELECT string_agg(concat_ws(' ', jsonb_array_length(event->'Records'), event->'state'->>'sum',
	event->>'isFinalInvokeForWindow', event->>'isWindowTerminatedEarly'), ', ' ORDER BY n) FROM calls}),
	'3 false false, 3 3 false false, 1 6 false false, 0 7 true false', 'its state goes from call to call');
is(sql(q{SELECT count(DISTINCT event->'window'), bool_and((event->'window'->>'end')::timestamptz
		= (event->'window'->>'start')::timestamptz + interval '2 s'),
	bool_and(extract(epoch FROM (event->'window'->>'start')::timestamptz)::int % 2 = 0),
	bool_and(event->>'eventSourceARN' = ddbstreams.latest_stream_arn('ticks')),
	bool_and(event->>'shardId' = (SELECT shard_id FROM ddbstreams.describe_stream(ddbstreams.latest_stream_arn('ticks'))))
	FROM calls}), '1|t|t|t|t', 'members of the event');
sql(q{TRUNCATE calls; INSERT INTO ticks VALUES (8, 1)});
comes_to(q{SELECT string_agg(concat_ws(' ', event->'state', event->>'isFinalInvokeForWindow'), ', ' ORDER BY n) FROM calls},
	'{} false, {"sum": 1} true', 'the next window starts with no state');
sql(q{TRUNCATE calls; UPDATE ticks_mood SET fail = true; INSERT INTO ticks VALUES (9, 1)});
comes_to(stats($uuid, 'state, last_error'), 'retrying|not now', 'a last call that fails');
sql(q{INSERT INTO ticks VALUES (10, 1)});
usleep(300_000);
is(sql(q{SELECT count(*) FROM calls}), '1', '... blocks the shard');
sql(q{UPDATE ticks_mood SET fail = false});
comes_to(q{SELECT string_agg(concat_ws(' ', jsonb_array_length(event->'Records'), event->'state'->>'sum', event->>'isFinalInvokeForWindow'), ', ' ORDER BY n) FROM calls},
	'1 false, 0 1 true, 1 false, 0 1 true', '... until it succeeds');
sql(q{TRUNCATE calls; UPDATE ticks_mood SET state = jsonb_build_object('big', repeat('x', 1100000)); INSERT INTO ticks VALUES (11, 1)});
comes_to(q{SELECT string_agg(concat_ws(' ', length(event->'state'->>'big'), event->>'isFinalInvokeForWindow', event->>'isWindowTerminatedEarly'), ', ' ORDER BY n) FROM calls},
	'false false, 1100000 true true', 'a state of more than 1 MB ends the window early');
sql(q{UPDATE ticks_mood SET state = '[]'; INSERT INTO ticks VALUES (12, 1)});
comes_to(stats($uuid, 'state, last_error'), 'retrying|the answer of a handler with tumbling windows has no state', 'an answer without state');
sql(q{TRUNCATE calls; UPDATE ticks_mood SET state = '{"s": 1}'});
comes_to(q{SELECT count(*) FROM calls WHERE (event->>'isFinalInvokeForWindow')::bool}, '1', '... is a failure');
# at a shard's end
sql(q{SELECT pg_sleep(2.1 - extract(epoch FROM clock_timestamp())::numeric % 2); TRUNCATE calls; INSERT INTO ticks VALUES (13, 1)});
comes_to(q{SELECT count(*) FROM calls}, '1', 'a window is open');
sql(q{SELECT ddbstreams.roll_over(ddbstreams.latest_stream_arn('ticks'))});
sql(q{INSERT INTO ticks VALUES (14, 1)});
comes_to(q{SELECT string_agg(concat_ws(' ', jsonb_array_length(event->'Records'), event->'state', event->>'isFinalInvokeForWindow'), ', ' ORDER BY n)
	FROM (SELECT * FROM calls ORDER BY n LIMIT 3) c},
	'1 {} false, 0 {"s": 1} true, 1 {} false', 'the end of a shard closes its window, the child starts afresh');

# --- lanes ------------------------------------------------------------------------------------------------

make_table('lanes', 1);
sql(q{INSERT INTO lanes SELECT i, 1 FROM generate_series(1, 40) i});
$uuid = make_mapping('lanes', q{parallelization_factor => 4, batch_size => 10});
comes_to(once_in_order('lanes'), '40 records, 0 faults', 'four lanes');
is(sql(stats($uuid, 'count(*), count(DISTINCT lane), sum(records_delivered), count(*) FILTER (WHERE records_delivered > 0) > 1')),
	'4|4|40|t', '... share the records');
my $writer = session($node);
send_query($writer, q{DO $$ BEGIN FOR i IN 2 .. 60 LOOP UPDATE lanes SET v = i; COMMIT; PERFORM pg_sleep(0.02); END LOOP; END $$});
foreach my $factor (2, 10, 1, 3)
{
	sql(qq{SELECT pg_sleep(0.3); SELECT ddbstreams.update_event_source_mapping('$uuid', parallelization_factor => $factor)});
	comes_to(stats($uuid, 'count(*)'), $factor, "the shard is divided into $factor lanes");
}
finish_query($writer);
comes_to(once_in_order('lanes'), '2400 records, 0 faults', 'none lost, none twice, each key in order');
is(sql(stats($uuid, 'sum(records_delivered)')), '2400', 'and the count goes on');
# A lane that fails does not block the others.
sql(q{UPDATE lanes_mood SET poison = 7; UPDATE lanes SET v = 61});
comes_to(q{SELECT count(*) BETWEEN 1 AND 39 FROM lanes_seen WHERE v = 61}, 't', 'other lanes go on');
comes_to(stats($uuid, q{string_agg(state, ' ' ORDER BY state)}), 'ready ready retrying', 'while one is blocked');
sql(q{UPDATE lanes_mood SET poison = NULL});
comes_to(once_in_order('lanes'), '2440 records, 0 faults', 'mended');

# --- lineage ----------------------------------------------------------------------------------------------------

make_table('family', 1);
sql(q{INSERT INTO family SELECT i, 1 FROM generate_series(1, 20) i; UPDATE family_mood SET poison = 20});
$uuid = make_mapping('family', q{batch_size => 7});
comes_to(q{SELECT count(*) FROM family_seen}, '14', 'blocked near the end of the parent');
# When a mapping that nothing blocks has come to the children, the dispatcher has
# looked at them for the other one, too.
my $witness = sql(q{
	CREATE TABLE family_passed (id text);
	CREATE FUNCTION family_witness(event jsonb) RETURNS void LANGUAGE sql AS
		$$ INSERT INTO family_passed SELECT r->>'eventID' FROM jsonb_array_elements(event->'Records') r $$;
	SELECT ddbstreams.create_event_source_mapping('family_witness', ddbstreams.latest_stream_arn('family'), 'TRIM_HORIZON')});
sql(q{SELECT ddbstreams.split_shard(ddbstreams.latest_stream_arn('family'), shard_id)
	FROM ddbstreams.describe_stream(ddbstreams.latest_stream_arn('family'))});
sql(q{UPDATE family SET v = 2});
comes_to(q{SELECT count(*) FROM family_passed}, '40', 'another mapping goes on to the children');
sql(qq{SELECT ddbstreams.delete_event_source_mapping('$witness')});
comes_to(stats($uuid, q{string_agg(state, ' ' ORDER BY state)}), 'retrying waiting waiting', 'the children wait');
is(sql(q{SELECT count(*) FROM family_seen}), '14', '... for the parent');
sql(q{UPDATE family_mood SET poison = NULL});
comes_to(once_in_order('family'), '40 records, 0 faults', 'children come after it');
comes_to(stats($uuid, q{string_agg(state, ' ' ORDER BY state)}), 'finished ready ready', 'it is finished');
sql(q{SELECT ddbstreams.roll_over(ddbstreams.latest_stream_arn('family'))});
sql(q{UPDATE family SET v = 3});
comes_to(once_in_order('family'), '60 records, 0 faults', 'on to the grandchildren');

# --- the horizon -------------------------------------------------------------------------------------------------------

make_table('late', 1);
sql(q{UPDATE late_mood SET poison = 1; SELECT ddbstreams.alter_stream(ddbstreams.latest_stream_arn('late'), '1 hour')});
$uuid = make_mapping('late', q{batch_size => 3});
sql(q{INSERT INTO late SELECT i, 1 FROM generate_series(1, 5) i});
comes_to(stats($uuid, 'state'), 'retrying', 'blocked until the records expire');
my $offset = -s $node->logfile;
sql(q{ALTER SYSTEM SET ddbstreams.clock_offset = 7200; SELECT pg_reload_conf()});
# maintenance may have rolled the shard over by now
comes_to(stats($uuid, q{sum(records_lost), sum(lag_records), count(*) FILTER (WHERE state = 'retrying')}), '5|0|0', 'they are counted as lost');
sql(q{INSERT INTO late VALUES (6, 1)});
comes_to(seen('late'), 'I6', 'it goes on at the horizon');
is(() = slurp_file($node->logfile, $offset) =~ /could not deliver 5 records of shard/g, 1, 'a warning tells of it, once');
sql(q{ALTER SYSTEM RESET ddbstreams.clock_offset; SELECT pg_reload_conf()});

# It overtakes lanes that are to stop at a record before it, to be divided anew.
make_table('passed', 1);
sql(q{UPDATE passed_mood SET poison = 1; SELECT ddbstreams.alter_stream(ddbstreams.latest_stream_arn('passed'), '1 hour')});
$uuid = make_mapping('passed', q{parallelization_factor => 2, batch_size => 10});
sql(q{INSERT INTO passed SELECT i, 1 FROM generate_series(1, 20) i});
comes_to(stats($uuid, q{string_agg(state, ' ' ORDER BY state)}), 'ready retrying', 'one lane is blocked');
sql(qq{SELECT ddbstreams.update_event_source_mapping('$uuid', parallelization_factor => 3)});
comes_to(qq{SELECT count(*) FROM ddbstreams_shards.mapping_shard NATURAL JOIN ddbstreams_shards.mapping
	WHERE uuid = '$uuid' AND drain_to IS NOT NULL}, '2', 'the lanes are to stop');
$offset = -s $node->logfile;
sql(q{ALTER SYSTEM SET ddbstreams.clock_offset = 7200; SELECT pg_reload_conf()});
sql(q{INSERT INTO passed VALUES (21, 1)});
comes_to(q{SELECT count(*) FROM passed_seen WHERE id = 21}, '1', 'they go on at the horizon');
is(sql(stats($uuid, '(SELECT count(*) FROM passed_seen WHERE id <= 20) + sum(records_lost)')), '20', 'the others are lost');
my $told = 0;
$told += $_ foreach slurp_file($node->logfile, $offset) =~ /could not deliver ([0-9]+) records of shard/g;
is($told, sql(stats($uuid, 'sum(records_lost)')), 'and each is told of once');
sql(q{ALTER SYSTEM RESET ddbstreams.clock_offset; SELECT pg_reload_conf()});

# A mapping that was off while shards expired as a whole, one of them half delivered
make_table('slept', 1);
sql(q{UPDATE slept_mood SET poison = 3; SELECT ddbstreams.alter_stream(ddbstreams.latest_stream_arn('slept'), '1 hour')});
$uuid = make_mapping('slept', q{batch_size => 2});
sql(q{INSERT INTO slept SELECT i, 1 FROM generate_series(1, 5) i});
comes_to(stats($uuid, 'state'), 'retrying', 'blocked in the middle of a shard');
sql(qq{SELECT ddbstreams.update_event_source_mapping('$uuid', enabled => false)});
sql(q{SELECT ddbstreams.roll_over(ddbstreams.latest_stream_arn('slept'));
	INSERT INTO slept VALUES (6, 1);
	SELECT ddbstreams.roll_over(ddbstreams.latest_stream_arn('slept'))});
sql(q{ALTER SYSTEM SET ddbstreams.clock_offset = 7200; SELECT pg_reload_conf()});
comes_to(q{SELECT ddbstreams_shards.expire(), count(*)
	FROM ddbstreams.describe_stream(ddbstreams.latest_stream_arn('slept'))}, '|1', 'its shards expire while it is off');
sql(q{INSERT INTO slept VALUES (7, 1)});
$offset = -s $node->logfile;
sql(qq{SELECT ddbstreams.update_event_source_mapping('$uuid', enabled => true)});
comes_to(seen('slept'), 'I1 I2 I7', 'it goes on with the shard that is left');
is(sql(stats($uuid, q{string_agg(state, ' ')})), 'ready', 'it has no other');
is(() = slurp_file($node->logfile, $offset) =~ /could not deliver an expired shard to its end/g, 1, 'a warning tells of the one that it had begun, once');
sql(q{ALTER SYSTEM RESET ddbstreams.clock_offset; SELECT pg_reload_conf()});

# --- deleting in mid-batch ------------------------------------------------------------------------------------------------

sql(q{
	CREATE TABLE cut (id int PRIMARY KEY);
	CREATE TABLE cut_seen (id int);
	CREATE FUNCTION cut_handler(event jsonb) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN INSERT INTO cut_seen VALUES (1); PERFORM pg_advisory_lock_shared(17); END $$;
	SELECT ddbstreams.enable_stream('cut', shard_count => 1)});
my $holder = session($node);
$holder->query_safe('SELECT pg_advisory_lock(17)');
$uuid = sql(q{SELECT ddbstreams.create_event_source_mapping('cut_handler', ddbstreams.latest_stream_arn('cut'), 'TRIM_HORIZON')});
sql(q{INSERT INTO cut VALUES (1)});
comes_to(stats($uuid, 'state, attempts, worker_pid IS NOT NULL'), 'delivering|1|t', 'a call is running');
sql(qq{SELECT ddbstreams.update_event_source_mapping('$uuid', enabled => false)});
is(sql(qq{SELECT state FROM ddbstreams.list_event_source_mappings() WHERE uuid = '$uuid'}), 'Disabling', 'Disabling');
sql(qq{SELECT ddbstreams.delete_event_source_mapping('$uuid')});
$holder->query_safe('SELECT pg_advisory_unlock(17)');
comes_to(q{SELECT count(*) FROM ddbstreams_shards.mapping_shard s WHERE NOT EXISTS
	(SELECT FROM ddbstreams_shards.mapping m WHERE m.mapping_no = s.mapping_no)}, '0', 'deleted: nothing is left of it');
comes_to(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}, '0', 'the call has ended');
is(sql(q{SELECT count(*) FROM cut_seen}), '0', '... and its effects are undone');

# --- a position that another call has moved ------------------------------------------------------------------------------

# As if a worker had gone on with the shard, taking this one for dead: the call's
# effects are undone, and what is to be delivered is delivered again.
sql(q{
	CREATE TABLE moved (id int PRIMARY KEY);
	CREATE TABLE moved_seen (id int);
	CREATE SEQUENCE moved_calls;
	CREATE FUNCTION moved_handler(event jsonb) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM nextval('moved_calls');
		INSERT INTO moved_seen VALUES (1);
		PERFORM pg_advisory_lock_shared(18);
		PERFORM pg_advisory_unlock_shared(18);
	END $$;
	SELECT ddbstreams.enable_stream('moved', shard_count => 1)});
$holder->query_safe('SELECT pg_advisory_lock(18)');
$uuid = sql(q{SELECT ddbstreams.create_event_source_mapping('moved_handler', ddbstreams.latest_stream_arn('moved'), 'TRIM_HORIZON')});
sql(q{INSERT INTO moved VALUES (1)});
comes_to(stats($uuid, 'state, attempts, worker_pid IS NOT NULL'), 'delivering|1|t', 'a call is running');
sql(qq{SELECT own_sql('UPDATE ddbstreams_shards.mapping_shard SET call_no = call_no + 1000
	WHERE mapping_no = (SELECT mapping_no FROM ddbstreams_shards.mapping WHERE uuid = ''$uuid'')')});
$holder->query_safe('SELECT pg_advisory_unlock(18)');
comes_to(stats($uuid, 'state, lag_records'), 'ready|0', 'the record is delivered');
is(sql(q{SELECT (SELECT last_value FROM moved_calls), count(*) FROM moved_seen}), '2|1',
	'... by a second call: the first one has no effects');

# --- a dispatcher that ends while a call does ------------------------------------------------------------------------------

# A record is appended when the call has ended and its dispatcher does not know it
# yet; nobody has told the dispatcher's successor of the record.
sql(q{TRUNCATE moved_seen});
$holder->query_safe('SELECT pg_advisory_lock(18)');
sql(q{INSERT INTO moved VALUES (2)});
comes_to(stats($uuid, 'state, attempts, worker_pid IS NOT NULL'), 'delivering|1|t', 'a call is running');
my $call_no = qq{SELECT call_no FROM ddbstreams_shards.mapping_shard
	WHERE mapping_no = (SELECT mapping_no FROM ddbstreams_shards.mapping WHERE uuid = '$uuid')};
my $called = sql($call_no);
my $dispatcher = sql(q{SELECT pid FROM ddbstreams.workers WHERE worker_type = 'dispatcher'});
kill('STOP', $dispatcher);
$holder->query_safe('SELECT pg_advisory_unlock(18)');
comes_to(q{SELECT count(*) FROM moved_seen}, '1', 'it has ended');
comes_to(qq{SELECT state FROM pg_stat_activity WHERE pid IN (SELECT pid FROM ddbstreams.workers
	WHERE worker_type = 'handler') AND state <> 'idle'}, '', '... and its worker has nothing to do');
is(sql($call_no) - $called, 1, '... having raised call_no once more, at the end of the call');
sql(q{INSERT INTO moved VALUES (3)});
kill('TERM', $dispatcher);
kill('CONT', $dispatcher);
comes_to(q{SELECT count(*) FROM moved_seen}, '2', 'the successor delivers the next record');

# --- a mapping that is disabled for a moment --------------------------------------------------------------------------------

sql(qq{SELECT ddbstreams.update_event_source_mapping('$uuid', batch_size => 1)});
$holder->query_safe('SELECT pg_advisory_lock(18)');
sql(q{INSERT INTO moved VALUES (4), (5)});
comes_to(stats($uuid, 'state, attempts'), 'delivering|1', 'a call is running');
disable_for_a_moment($uuid, $holder, 18, [ q{SELECT count(*) FROM moved_seen}, '3' ]);
comes_to(q{SELECT count(*) FROM moved_seen}, '4', 'when it is enabled again, the next record is delivered');
# The same, while its shard is to be divided into lanes: the rest of a batch that
# was bisected comes before that.
sql(q{CREATE TABLE halved (id int PRIMARY KEY); CREATE TABLE halved_seen (id int);
	SELECT ddbstreams.enable_stream('halved', shard_count => 1);
	CREATE FUNCTION halved_handler(event jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	DECLARE
		first int := event->'Records'->0->'dynamodb'->'Keys'->'id'->>'N';
	BEGIN
		IF event->'Records'->1 IS NOT NULL OR (first = 1 AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'go_halved')) THEN
			RAISE EXCEPTION 'not yet';
		END IF;
		PERFORM pg_advisory_xact_lock(20);
		INSERT INTO halved_seen VALUES (first);
		RETURN NULL;
	END$$});
my $halved = sql(q{SELECT ddbstreams.create_event_source_mapping('halved_handler', ddbstreams.latest_stream_arn('halved'),
	'TRIM_HORIZON', bisect_batch_on_function_error => true)});
my $halved_position = qq{ddbstreams_shards.mapping_shard
	WHERE mapping_no = (SELECT mapping_no FROM ddbstreams_shards.mapping WHERE uuid = '$halved')};
$holder->query_safe('SELECT pg_advisory_lock(20)');
sql(q{INSERT INTO halved VALUES (1), (2)});
comes_to("SELECT cardinality(batch_ends), failures > 1 FROM $halved_position", '2|t', 'a batch is bisected, and its first half fails');
sql(qq{SELECT ddbstreams.update_event_source_mapping('$halved', parallelization_factor => 2)});
comes_to("SELECT drain_to IS NOT NULL FROM $halved_position", 't', '... before its shard is divided');
sql('CREATE ROLE go_halved');
comes_to(stats($halved, 'state'), 'delivering', '... and is called again');
disable_for_a_moment($halved, $holder, 20, [ q{SELECT count(*) FROM halved_seen}, '1' ]);
comes_to(q{SELECT count(*) FROM halved_seen}, '2', 'when it is enabled again, the other half is delivered');
comes_to("SELECT count(*), max(drain_to) FROM $halved_position", '2|', '... and the shard is divided');
$holder->quit;
$writer->quit;

$node->stop;
done_testing();
