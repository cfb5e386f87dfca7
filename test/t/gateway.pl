# ddbstreams-gateway: operations, errors, signatures, rights, keys, and what
# becomes of requests when the server or the gateway ends.
#
# To see it fail: test/mutations/run gateway-any-role gateway-any-service
# gateway-body-unsigned gateway-cut-at-stop gateway-dead-connection-used
# gateway-keys-for-all gateway-names-by-sqlstate gateway-no-skew
# gateway-one-tag-key gateway-query-unsorted gateway-readers-not-waited-for
# gateway-target-unsigned.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use GatewayTest;
use POSIX ();
use PostgreSQL::Test::Utils;
use StreamTest qw(:DEFAULT crc32);
use Test::More;
use Time::HiRes qw(time usleep);

plan skip_all => 'ddbstreams-gateway is not built' unless gateway_program();

my $node = new_server('gateway', 'ddbstreams.max_readers_per_shard = 1');
my $dir = $PostgreSQL::Test::Utils::tmp_check;

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE owner LOGIN;
CREATE ROLE "Strange ""role" LOGIN;
CREATE ROLE nobody LOGIN;
GRANT CREATE ON SCHEMA public TO owner;
SET ROLE owner;
CREATE TABLE orders (id int PRIMARY KEY, name text, price numeric);
CREATE FUNCTION handler(event jsonb) RETURNS void LANGUAGE sql AS '';
CREATE TABLE other (id int PRIMARY KEY);
SQL

my $keys = write_file("$dir/keys", <<'KEYS');
# the owner of the tables
AKTEST test/secret+key owner

AKNOBODY	nobodys-secret	nobody
AKSTRANGE strangesecret "Strange ""role"
AKGONE gonesecret no_such_role
KEYS
my %nobody = (id => 'AKNOBODY', secret => 'nobodys-secret');
my $gateway = start_gateway($node, '--keys', $keys, '--shards', '3', '--log-requests');

sub is_error
{
	my ($answer, $status, $name, $message, $what) = @_;
	my $type = $answer->{json}{__type} // '';
	my $text = $answer->{json}{message} // $answer->{json}{Message} // '';

	$type =~ s/.*#//;
	is("$answer->{status} $type", "$status $name", $what);
	like($text, $message, "$what: its text") if defined $message;
	return;
}

sub is_lambda_error
{
	my ($answer, $status, $name, $message, $what) = @_;

	is("$answer->{status} " . ($answer->{headers}{'x-amzn-errortype'} // ''),
		"$status $name", $what);
	is($answer->{json}{Type}, $status < 500 ? 'User' : 'Service', "$what: its type");
	like($answer->{json}{Message}, $message, "$what: its text") if defined $message;
	return;
}

# --- every operation ----------------------------------------------------------

my $answer = aws($gateway, 'DynamoDB_20120810.UpdateTable',
	{
		TableName => 'orders',
		StreamSpecification =>
		  { StreamEnabled => JSON::PP::true, StreamViewType => 'NEW_AND_OLD_IMAGES' } });
my $arn = $answer->{json}{TableDescription}{LatestStreamArn};

is($answer->{status}, 200, 'UpdateTable');
like($arn, qr/^arn:aws:dynamodb:.*:table\/orders\/stream\//, 'UpdateTable enables a stream');
is($answer->{headers}{'content-length'}, length($answer->{body}), 'Content-Length is right');
is($answer->{headers}{'content-type'}, 'application/x-amz-json-1.0', 'Content-Type');
like($answer->{headers}{'x-amzn-requestid'}, qr/^[0-9A-Z]{52}$/, 'x-amzn-RequestId');
like($answer->{headers}{date}, qr/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/, 'Date');
ok(!exists $answer->{headers}{'content-encoding'}, 'nothing is compressed');

$node->safe_psql('postgres',
	"INSERT INTO orders SELECT i, 'no ' || i, i * 1.5 FROM generate_series(1, 30) i");

$answer = aws($gateway, 'ListStreams', {});
is($answer->{json}{Streams}[0]{StreamArn}, $arn, 'ListStreams');
$answer = aws($gateway, 'DescribeStream', { StreamArn => $arn });
my @shards = map { $_->{ShardId} } @{ $answer->{json}{StreamDescription}{Shards} };

is(scalar(@shards), 3, 'DescribeStream: as many shards as --shards says');
my ($records, @iterators) = (0);
foreach my $shard (@shards)
{
	$answer = aws($gateway, 'GetShardIterator',
		{ StreamArn => $arn, ShardId => $shard, ShardIteratorType => 'TRIM_HORIZON' });
	push(@iterators, $answer->{json}{ShardIterator});
	$answer = aws($gateway, 'GetRecords', { ShardIterator => $iterators[-1] });
	$records += @{ $answer->{json}{Records} };
}
is($records, 30, 'GetShardIterator and GetRecords: all records');
is($answer->{json}{Records}[0]{dynamodb}{NewImage}{name}{S} =~ /^no \d+$/, 1,
	'GetRecords: an image');
$answer = aws($gateway, 'DynamoDB_20120810.ListTables', {});
is_deeply($answer->{json}, { TableNames => [ 'orders', 'other' ] }, 'ListTables');
is($answer->{headers}{'x-amz-crc32'}, crc32(0xEDB88320, $answer->{body}), 'x-amz-crc32 is right');
$answer = aws($gateway, 'DynamoDB_20120810.DescribeTable', { TableName => 'orders' });
is($answer->{json}{Table}{LatestStreamArn}, $arn, 'DescribeTable');

$answer = lambda($gateway, 'POST', '',
	{
		FunctionName => 'handler',
		EventSourceArn => $arn,
		StartingPosition => 'LATEST',
		Enabled => JSON::PP::false });
my $uuid = $answer->{json}{UUID};

is($answer->{status}, 202, 'CreateEventSourceMapping');
like($uuid, qr/^[0-9a-f-]{36}$/, 'CreateEventSourceMapping: its UUID');
is($answer->{headers}{'content-type'}, 'application/json', 'Content-Type of Lambda');
like($answer->{headers}{'x-amzn-requestid'}, qr/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
	'x-amzn-RequestId of Lambda');
$answer = lambda($gateway, 'GET', "/$uuid");
is($answer->{status}, 200, 'GetEventSourceMapping');
is($answer->{json}{UUID}, $uuid, 'GetEventSourceMapping: the right one');
$answer = lambda($gateway, 'PUT', "/$uuid", { BatchSize => 7 });
is($answer->{status}, 202, 'UpdateEventSourceMapping');
is($answer->{json}{BatchSize}, 7, 'UpdateEventSourceMapping changes it');
is(lambda($gateway, 'PUT', "/$uuid/")->{json}{BatchSize}, 7,
	'UpdateEventSourceMapping without a body changes nothing');
lambda($gateway, 'POST', '/',
	{
		FunctionName => 'handler',
		EventSourceArn => aws($gateway, 'DynamoDB_20120810.UpdateTable',
			{
				TableName => 'other',
				StreamSpecification =>
				  { StreamEnabled => JSON::PP::true, StreamViewType => 'KEYS_ONLY' } })
		  ->{json}{TableDescription}{LatestStreamArn},
		StartingPosition => 'LATEST',
		Enabled => JSON::PP::false });
$answer = lambda($gateway, 'GET', '/?MaxItems=1');
is(scalar(@{ $answer->{json}{EventSourceMappings} }), 1, 'ListEventSourceMappings: MaxItems');
my $marker = $answer->{json}{NextMarker};

$marker =~ s/([^A-Za-z0-9])/sprintf('%%%02X', ord($1))/ge;
is( scalar(@{ lambda($gateway, 'GET', "?Marker=$marker")->{json}{EventSourceMappings} }),
	1, 'ListEventSourceMappings: Marker');
my $encoded = $arn =~ s/:/%3A/gr =~ s/\//%2F/gr;

is( lambda($gateway, 'GET', "?MaxItems=10&EventSourceArn=$encoded&FunctionName=handler")
	  ->{json}{EventSourceMappings}[0]{UUID},
	$uuid, 'ListEventSourceMappings: EventSourceArn and FunctionName');

# Requests for the tags of the mapping; what stands behind its ARN
sub tags
{
	my ($method, $rest, $body) = @_;

	return call($gateway, $method,
		"/2017-03-31/tags/arn%3Aaws%3Alambda%3Ax%3Ay%3Aevent-source-mapping%3A$uuid$rest",
		service => 'lambda',
		body => $body // '');
}

$answer = tags('POST', '', '{"Tags":{"a":"1","b \\"\\\\,{}":"2","c":"' . "\xc3\xb6" . '"}}');
is("$answer->{status} $answer->{body}", '204 ', 'TagResource answers nothing');
is_deeply(tags('GET', '')->{json}, { Tags => { a => '1', 'b "\\,{}' => '2', c => "\x{f6}" } },
	'ListTags shows what TagResource has added');
$answer = tags('DELETE', '?tagKeys=a&x=y&tagKeys=b%20%22%5C%2C%7B%7D');
is("$answer->{status} $answer->{body}", '204 ', 'UntagResource answers nothing');
is_deeply(tags('GET', '')->{json}, { Tags => { c => "\x{f6}" } }, 'UntagResource takes all keys of the query away');
is_lambda_error(tags('POST', ''), 400, 'InvalidParameterValueException', qr/tags/i, 'TagResource without tags');
is_lambda_error(tags('DELETE', ''), 400, 'InvalidParameterValueException', qr/tagKeys/i, 'UntagResource without keys');
is_lambda_error(tags('DELETE', '?tagKeys=%'), 400, 'InvalidParameterValueException', qr/percent-encoded/,
	'UntagResource: bad encoding of a key');
is_lambda_error(tags('PUT', ''), 404, 'UnknownOperationException', undef, 'another method for tags');
is(lambda($gateway, 'DELETE', "/$uuid")->{status}, 202, 'DeleteEventSourceMapping');

# --- errors -------------------------------------------------------------------

is_error(aws($gateway, 'DescribeStream', { StreamArn => "q\"\x{e9}" }),
	400, 'ValidationException',
	qr/^1 validation error detected: Value 'q"\x{e9}' at 'streamArn' failed/,
	'a value that JSON has to escape');
is_error(aws($gateway, 'DescribeStream', { StreamArn => $arn =~ s/orders/gone/r }),
	400, 'ResourceNotFoundException', qr/not found/, 'a stream that is not there');
is_error(aws($gateway, 'ListStreams', { Limit => '1' }),
	400, 'SerializationException', qr/^STRING_VALUE cannot be converted to Integer$/,
	'a member of another type');
foreach my $body ('{', '', '"x"', '[]', '{"Limit":1}x', "{\"a\":\"\0\"}", "{\"a\":\"\xff\"}", '[' x 20000)
{
	is_error(aws($gateway, 'ListStreams', $body), 400, 'SerializationException',
		qr/./, 'a body that is no JSON object: ' . (substr($body, 0, 12) =~ s/[^ -~]/?/gr));
}
is_error(aws($gateway, 'GetRecords', { ShardIterator => "$arn|1|AAAA" }),
	400, 'ValidationException', qr/./, 'an iterator that was made up');
is_error(aws($gateway, 'DynamoDB_20120810.UpdateTable',
		{ TableName => 'orders',
		  StreamSpecification => { StreamEnabled => JSON::PP::true, StreamViewType => 'KEYS_ONLY' } }),
	400, 'ValidationException', qr/already has an enabled stream/, 'enabling twice');
foreach my $target ('DynamoDBStreams_20120810.Nothing', 'DynamoDB_20120810.GetRecords',
	'DynamoDB_20120810.', 'x', 'Kinesis_20131202.GetRecords')
{
	is_error(aws($gateway, $target . ($target eq 'x' ? '.' : ''), {}), 400, 'UnknownOperationException', undef,
		"an operation that is not there: $target");
}
is_lambda_error(lambda($gateway, 'GET', '/00000000-0000-0000-0000-000000000000'),
	404, 'ResourceNotFoundException', qr/does not exist/, 'a mapping that is not there');
is_lambda_error(lambda($gateway, 'POST', '', { FunctionName => 'none', EventSourceArn => $arn,
			StartingPosition => 'LATEST' }),
	400, 'InvalidParameterValueException', qr/Function does not exist/, 'a function that is not there');
is_lambda_error(lambda($gateway, 'POST', '', '{'),
	400, 'SerializationException', qr/json/, 'a body of Lambda that is no JSON');
is_lambda_error(lambda($gateway, 'PUT', "/$uuid", '[1]'),
	400, 'SerializationException', qr/^request is not a JSON object$/, 'a body of Lambda that is no object');
is_lambda_error(lambda($gateway, 'PUT', "/$uuid", '{"BatchSize":1e1000000}'),
	400, 'SerializationException', qr/./, 'a number that is too large for jsonb');
is_lambda_error(lambda($gateway, 'PUT', "/$uuid", '{"FunctionName":"\u00f6"}'),
	400, 'SerializationException', qr/./, 'a character that is none in SQL_ASCII')
  if $node->safe_psql('postgres', 'SHOW server_encoding') eq 'SQL_ASCII';
is_lambda_error(lambda($gateway, 'GET', '?MaxItems=many'),
	400, 'SerializationException', qr/cannot be converted to Integer/, 'MaxItems that is no number');
is_lambda_error(lambda($gateway, 'GET', '?MaxItems=99999999999999999999'),
	400, 'ValidationException', qr/less than or equal to 10000/, 'MaxItems that is too large');
is_lambda_error(lambda($gateway, 'GET', '/%00'),
	400, 'InvalidParameterValueException', qr/percent-encoded/, 'a zero byte in the path');
is_lambda_error(lambda($gateway, 'GET', '?Marker=%zz'),
	400, 'InvalidParameterValueException', qr/percent-encoded/, 'bad encoding in the query');
is_lambda_error(lambda($gateway, 'PATCH', "/$uuid"),
	404, 'UnknownOperationException', undef, 'a method that is not there');
is_lambda_error(call($gateway, 'GET', '/2015-03-31/functions/', service => 'lambda'),
	404, 'UnknownOperationException', undef, 'another path of Lambda');
lambda($gateway, 'POST', '', { FunctionName => 'handler', EventSourceArn => $arn,
		StartingPosition => 'LATEST', Enabled => JSON::PP::false });
is_lambda_error(lambda($gateway, 'POST', '', { FunctionName => 'handler', EventSourceArn => $arn,
			StartingPosition => 'LATEST' }),
	409, 'ResourceConflictException', qr/already exists/, 'a mapping that is there');

$answer = aws($gateway, 'GetShardIterator',
	{ StreamArn => $arn, ShardId => $shards[0], ShardIteratorType => 'AFTER_SEQUENCE_NUMBER',
	  SequenceNumber => '0' x 20 . '1' });
$node->safe_psql('postgres', "ALTER SYSTEM SET ddbstreams.iterator_lifetime = '1s'");
$node->reload;
foreach (1 .. 100)
{
	$answer = aws($gateway, 'GetRecords', { ShardIterator => $iterators[0] });
	last if $answer->{status} != 200;
	usleep(200_000);
}
is_error($answer, 400, 'ExpiredIteratorException', qr/./, 'an iterator that is too old');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET ddbstreams.iterator_lifetime');
$node->reload;

# --- rights -------------------------------------------------------------------

is(scalar(@{ aws($gateway, 'ListStreams', {}, %nobody)->{json}{Streams} }),
	0, 'a role without SELECT sees no stream');
is_error(aws($gateway, 'DescribeStream', { StreamArn => $arn }, %nobody),
	400, 'AccessDeniedException', qr/permission denied/, 'a role without SELECT');
is_error(aws($gateway, 'GetRecords', { ShardIterator => $iterators[1] }, %nobody),
	400, 'AccessDeniedException', qr/permission denied/, "somebody else's iterator");
is_lambda_error(lambda($gateway, 'POST', '', { FunctionName => 'handler', EventSourceArn => $arn,
			StartingPosition => 'LATEST' }, %nobody),
	403, 'AccessDeniedException', qr/permission denied/, 'a mapping of a role without SELECT');
is(aws($gateway, 'ListStreams', {}, id => 'AKSTRANGE', secret => 'strangesecret')->{status},
	200, 'a role with a strange name');
is_error(aws($gateway, 'ListStreams', {}, id => 'AKGONE', secret => 'gonesecret'),
	500, 'InternalServerError', qr/./, 'a role that is not there');
ok(gateway_says($gateway, qr/cannot connect to the database as no_such_role/),
	'the log says which role');

# --- signatures ---------------------------------------------------------------

my $valid = sub { aws($gateway, 'ListStreams', {}, @_) };

is($valid->(region => '')->{status}, 200, 'an empty region');
is($valid->(region => 'mars-north-1')->{status}, 200, 'any region');
is($valid->(unsigned => ['content-type'])->{status}, 200, 'Content-Type is not signed');
is($valid->(headers => { 'Accept-Encoding' => 'identity', 'X-Amz-User-Agent' => '  a   b ' })->{status},
	200, 'other headers are signed, and blanks squeezed');
foreach my $path ('/prefix', '/prefix/', '/a%2Fb%20c/x', '/a+b=c', "/\xc3\xbc")
{
	is( call($gateway, 'POST', $path, body => '{}',
			headers => { 'X-Amz-Target' => 'DynamoDBStreams_20120810.ListStreams' })->{status},
		200, 'a path in front: ' . ($path =~ s/[^ -~]/?/gr));
}
is(call($gateway, 'GET', '/p%20q/2015-03-31/event-source-mappings', service => 'lambda')->{status},
	200, 'a path in front of that of Lambda');
is(lambda($gateway, 'GET', '?MaxItems=5&FunctionName=a%2Bb%20c%24LATEST&Marker=')->{status},
	200, 'a query in another order');
is($valid->(headers => { 'X-Amz-Content-Sha256' => Digest::SHA::sha256_hex('{}') })->{status},
	200, 'X-Amz-Content-Sha256');
is_error($valid->(headers => { 'X-Amz-Content-Sha256' => Digest::SHA::sha256_hex('{ }') }),
	400, 'InvalidSignatureException', qr/does not match/, 'a hash of another body');
is_error($valid->(headers => { 'X-Amz-Content-Sha256' => 'UNSIGNED-PAYLOAD' }),
	400, 'InvalidSignatureException', qr/does not match/, 'a body that is not signed');
is_error($valid->(signed_body => '{"Limit":1}'),
	400, 'InvalidSignatureException', qr/does not match/, 'another body than that which was signed');
is_error($valid->(secret => 'wrong'),
	400, 'InvalidSignatureException', qr/^The request signature we calculated does not match/,
	'a wrong secret');
is_error($valid->(id => 'AKUNKNOWN'),
	400, 'UnrecognizedClientException', qr/^The security token included in the request is invalid/,
	'an unknown key');
is_error($valid->(no_sign => 1),
	400, 'MissingAuthenticationTokenException', qr/^Request is missing Authentication Token$/,
	'no signature');
is_error($valid->(service => 'lambda'),
	400, 'InvalidSignatureException', qr/scoped to correct service: 'dynamodb'/, 'a scope of Lambda');
is_error($valid->(day => '20200101'),
	400, 'InvalidSignatureException', qr/Date in Credential scope does not match/, 'a scope of another day');
is($valid->(skew => -800)->{status}, 200, 'a clock that is 13 minutes slow');
is($valid->(skew => 800)->{status}, 200, 'a clock that is 13 minutes fast');
is_error($valid->(skew => -1000),
	400, 'InvalidSignatureException', qr/^Signature expired: \d{8}T\d{6}Z is now earlier than/,
	'a clock that is 16 minutes slow');
is_error($valid->(skew => 1000),
	400, 'InvalidSignatureException', qr/^Signature not yet current/, 'a clock that is 16 minutes fast');
is_error($valid->(unsigned => ['host']),
	400, 'InvalidSignatureException', qr/'Host' must be a 'SignedHeader'/, 'Host is not signed');
is_error($valid->(unsigned => ['x-amz-target']),
	400, 'InvalidSignatureException', qr/'X-Amz-Target' must be a 'SignedHeader'/,
	'X-Amz-Target is not signed');
is_error($valid->(headers => { 'X-Amz-Security-Token' => 'token' }),
	400, 'UnrecognizedClientException', qr/security token/, 'a session token');
is_error($valid->(headers => { Authorization => 'Basic eDp5' }),
	400, 'MissingAuthenticationTokenException', undef, 'another kind of authorization');
is_error($valid->(headers => { Authorization => 'AWS4-HMAC-SHA256 Credential=a/b/c/d/e' }),
	400, 'IncompleteSignatureException',
	qr/^Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization=AWS4/,
	'parts are missing');
is_error($valid->(headers => { Authorization => 'AWS4-HMAC-SHA256 Credential' }),
	400, 'IncompleteSignatureException', qr/'Credential' not a valid key=value pair/, 'no key=value pair');
is_error($valid->(headers => { Authorization =>
				'AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host;x-amz-target, Signature=c' }),
	400, 'IncompleteSignatureException', qr/exactly 5 slash-delimited elements/, 'a short credential');
is_error($valid->(headers => { Authorization =>
				'AWS4-HMAC-SHA1 Credential=a/b/c/d/e, SignedHeaders=host;x-amz-target, Signature=c' }),
	400, 'IncompleteSignatureException', qr/Unsupported AWS 'algorithm'/, 'another algorithm');
is_error($valid->(headers => { 'X-Amz-Date' => 'today', 'Authorization' =>
				"AWS4-HMAC-SHA256 Credential=\"\\\x01/b/c/d/e, SignedHeaders=host;x-amz-target, Signature=c" }),
	400, 'IncompleteSignatureException', qr/Date must be in ISO-8601 'basic format'. Got 'today'/,
	'a date of another form');
is_error(call($gateway, 'POST', '/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=x', body => '{}', no_sign => 1,
		headers => { 'X-Amz-Target' => 'DynamoDBStreams_20120810.ListStreams' }),
	400, 'IncompleteSignatureException', qr/must include 'X-Amz-Signature'/, 'half a signature in the query');
is_error(call($gateway, 'POST',
		'/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=x&X-Amz-Signature=x&X-Amz-SignedHeaders=host&X-Amz-Date=x',
		body => '{}', no_sign => 1,
		headers => { 'X-Amz-Target' => 'DynamoDBStreams_20120810.ListStreams' }),
	400, 'InvalidSignatureException', qr/not supported/, 'a signature in the query');
is_lambda_error(lambda($gateway, 'GET', '', undef, secret => 'wrong'),
	403, 'InvalidSignatureException', qr/does not match/, 'a wrong secret for Lambda');
is_lambda_error(lambda($gateway, 'GET', '', undef, no_sign => 1),
	403, 'MissingAuthenticationTokenException', undef, 'no signature for Lambda');

# --- what is waited for -------------------------------------------------------

# a reader of the shard waits for the lock of another session
my $holder = session($node);
my $reader = session($node);
my $iterator = aws($gateway, 'GetShardIterator',
	{ StreamArn => $arn, ShardId => $shards[0], ShardIteratorType => 'TRIM_HORIZON' })->{json}{ShardIterator};
my $shard_table = $node->safe_psql('postgres',
	"SELECT shard_table FROM ddbstreams.describe_stream('$arn') WHERE shard_id = '$shards[0]'");

$holder->query_safe("BEGIN; LOCK TABLE $shard_table");
send_query($reader, "SELECT count(*) FROM ddbstreams.get_records('$iterator')");
$node->poll_query_until('postgres',
	"SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
my $began = time;

$answer = aws($gateway, 'GetRecords', { ShardIterator => $iterator });
is_error($answer, 400, 'LimitExceededException', qr/./, 'a shard that others go on reading');
cmp_ok(time - $began, '>', 1.5, 'it was waited for');
is($answer->{headers}{'x-amz-retry-after'}, '500', 'x-amz-retry-after');
is($answer->{headers}{'retry-after'}, '1', 'Retry-After');

# It may be released too late on a slow machine: then once more.
my $pending;

for (my $try = 0; $try < 5; $try++)
{
	$pending = aws($gateway, 'GetRecords', { ShardIterator => $iterator }, no_wait => 1);
	usleep(300_000);
	$holder->query_safe('COMMIT');
	$answer = receive($pending);
	last if $answer->{status} == 200;
	finish_query($reader);
	$holder->query_safe("BEGIN; LOCK TABLE $shard_table");
	send_query($reader, "SELECT count(*) FROM ddbstreams.get_records('$iterator')");
	$node->poll_query_until('postgres',
		"SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
}
is($answer->{status}, 200, 'a shard that others have read meanwhile');
$holder->quit;

# --- keys that change ---------------------------------------------------------

write_file($keys, "AKTEST newsecret owner\nAKTEST othersecret owner\n");
kill('HUP', $gateway->{pid});
ok(gateway_says($gateway, qr/lines 1 and 2: the same access key id/), 'a wrong file is logged');
ok(gateway_says($gateway, qr/the keys that were read before stay in use/), 'and not used');
is($valid->()->{status}, 200, 'the old keys stay');
write_file($keys, "AKTEST newsecret owner\n");
kill('HUP', $gateway->{pid});
ok(gateway_says($gateway, qr/was read again/), 'SIGHUP reads the file');
is($valid->(secret => 'newsecret')->{status}, 200, 'a new secret');
is_error($valid->(), 400, 'InvalidSignatureException', undef, 'the old secret is of no use');
is_error($valid->(%nobody), 400, 'UnrecognizedClientException', undef, 'a key that is gone');
write_file($keys, "AKTEST test/secret+key owner\n", 0640);
kill('HUP', $gateway->{pid});
ok(gateway_says($gateway, qr/accessible to others/), 'a file that others can read is refused');
chmod(0600, $keys);
kill('HUP', $gateway->{pid});
gateway_says($gateway, qr/was read again/);

# --- the end of the server ----------------------------------------------------

is(call($gateway, 'GET', '/healthz', no_sign => 1)->{status}, 200, 'healthz');
$node->restart;
is($valid->()->{status}, 200, 'the first request behind a restart');
$node->stop;
$answer = $valid->();
is_error($answer, 500, 'InternalServerError', qr/./, 'no server');
is($answer->{headers}{'retry-after'}, '1', 'a client may try again');
is_lambda_error(lambda($gateway, 'GET', ''), 500, 'ServiceException', qr/./, 'no server, for Lambda');
# the answer may be a second old
my $health = 200;
for (my $try = 0; $health == 200 && $try < 100; $try++)
{
	usleep(100_000) if $try > 0;
	$health = call($gateway, 'GET', '/healthz', no_sign => 1)->{status};
}
is($health, 503, 'healthz without a server');
$node->start;
is($valid->()->{status}, 200, 'a server again');

# A statement that is cancelled with its backend
my $blocker = session($node);

$blocker->query_safe('BEGIN; LOCK orders');
my $waits = "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'ddbstreams-gateway'";
my %disable = (TableName => 'orders', StreamSpecification => { StreamEnabled => JSON::PP::false });

$pending = aws($gateway, 'DynamoDB_20120810.UpdateTable', \%disable, no_wait => 1);
$node->poll_query_until('postgres', "SELECT count(*) > 0 $waits");
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) $waits");
is_error(receive($pending), 500, 'InternalServerError', undef, 'a backend that was terminated');
is($valid->()->{status}, 200, 'another backend');

# --- the end of the gateway ---------------------------------------------------

# A client that sends its request byte by byte does not keep the gateway from ending.
my $slow = connect_to($gateway);
send_to($slow, "POST / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
my $dripper = fork() // die "fork: $!";
if ($dripper == 0)
{
	usleep(500_000) while send_to($slow, 'x');
	POSIX::_exit(0);
}
$pending = aws($gateway, 'DynamoDB_20120810.UpdateTable', \%disable, no_wait => 1);
$node->poll_query_until('postgres', "SELECT count(*) > 0 $waits");
kill('TERM', $gateway->{pid});
gateway_says($gateway, qr/ending/);
$blocker->query_safe('COMMIT');
$answer = receive($pending);
is($answer->{status}, 200, 'SIGTERM: the request is finished');
is($answer->{headers}{connection}, 'close', 'SIGTERM: the connection ends');
waitpid($gateway->{pid}, 0);
is($?, 0, 'SIGTERM: the exit status');
waitpid($dripper, 0);
$gateway->{pid} = 0;
ok(!IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $gateway->{port}),
	'SIGTERM: nothing listens any more');

done_testing();
