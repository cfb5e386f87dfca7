# ddbstreams-gateway: bad requests of every kind, and AWS's error for each.
# Whatever comes, the answer has AWS's form, is complete, and tells nothing of
# the server; and the next request of the same connection is answered.
#
# To see it fail: test/mutations/run gateway-serialization-unnamed.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use GatewayTest;
use POSIX ();
use PostgreSQL::Test::Utils;
use StreamTest;
use Test::More;

plan skip_all => 'ddbstreams-gateway is not built' unless gateway_program();

my $node = new_server('refusals', '');
my $dir = $PostgreSQL::Test::Utils::tmp_check;

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE owner LOGIN;
GRANT CREATE ON SCHEMA public TO owner;
SET ROLE owner;
CREATE TABLE orders (id int PRIMARY KEY);
CREATE TABLE other (id int PRIMARY KEY);
CREATE FUNCTION handler(event jsonb) RETURNS void LANGUAGE sql AS '';
SELECT ddbstreams.enable_stream('orders', shard_count => 1);
SQL

my $gateway = start_gateway($node, '--keys', write_file("$dir/keys", "AKTEST test/secret+key owner\n"));
my $arn = $node->safe_psql('postgres', "SELECT ddbstreams.latest_stream_arn('orders')");
my $shard = aws($gateway, 'DescribeStream', { StreamArn => $arn })->{json}{StreamDescription}{Shards}[0]{ShardId};
my %shard = (StreamArn => $arn, ShardId => $shard, ShardIteratorType => 'TRIM_HORIZON');
my $iterator = aws($gateway, 'GetShardIterator', \%shard)->{json}{ShardIterator};
my %mapping = (FunctionName => 'handler', EventSourceArn => $arn, StartingPosition => 'LATEST');

# Every request goes over the same connection, unless the answer closes it.
my $socket;

# Compares the answer to a bad request with status and name.  A test is named by
# what is wrong.
sub refuses
{
	my ($answer, $status, $name, $text, $what) = @_;
	my $is_lambda = exists $answer->{headers}{'x-amzn-errortype'};
	my $json = $answer->{json} // {};
	my $found = $is_lambda ? $answer->{headers}{'x-amzn-errortype'} : $json->{__type} // '';

	is("$answer->{status} " . $found =~ s/.*#//r, "$status $name", $what);
	like($json->{message} // $json->{Message} // '', $text, "$what: its text") if defined $text;
	is($json->{Type}, 'User', "$what: its type") if $is_lambda;
	is(length($answer->{body}), $answer->{headers}{'content-length'}, "$what: it is complete");
	like($answer->{headers}{'x-amzn-requestid'}, qr/^([0-9A-V]{52}|[0-9a-f-]{36})$/, "$what: it has an id");
	undef $socket if ($answer->{headers}{connection} // '') =~ /close/i;
	return;
}

sub connection
{
	$socket //= connect_to($gateway);
	return (socket => $socket);
}

my ($long, $deep) = ('x' x 3000, '[' x 9000);

# --- the body ------------------------------------------------------------------

foreach ('', ' ', '{', '{}}', '{"Limit":1,}', "{'Limit':1}", '{"Limit":NaN}', '{"Limit":01}', '{Limit:1}', 'Limit=1',
	"\xef\xbb\xbf{}", "\xff\xfe{\0}\0", '{"TableName":"' . "\n" . '"}', '{"TableName":"\ud800"}', '{"TableName":"\u0000"}',
	"{\"TableName\":\"\xe9\"}", '{"Limit":1e400000}', $deep, 'null', 'true', '5', '"x"', '[{}]', "\0")
{
	refuses(aws($gateway, 'ListStreams', $_, connection()), 400, 'SerializationException', qr/./,
		'a body that is no JSON object: ' . (substr($_, 0, 20) =~ s/[^ -~]/?/gr));
}

# --- members --------------------------------------------------------------------

my $other_shard = 'shardId-' . '0' x 20 . '-00000000';
my $number = '0' x 21;

foreach (
	[ 'ListStreams', { TableName => 5 }, 'SerializationException', qr/^NUMBER_VALUE cannot be converted to String$/ ],
	[ 'ListStreams', { TableName => [] }, 'SerializationException', qr/^Unrecognized collection type class java.lang.String$/ ],
	[ 'ListStreams', { Limit => {} }, 'SerializationException', qr/^Start of structure or map found where not expected$/ ],
	[ 'ListStreams', { Limit => 1.5 }, 'SerializationException', qr/^DECIMAL_VALUE cannot be converted to Integer$/ ],
	[ 'ListStreams', { Limit => 0 }, 'ValidationException', qr/Value '0' at 'limit' .* greater than or equal to 1$/ ],
	[ 'ListStreams', { Limit => 101 }, 'ValidationException', qr/less than or equal to 100$/ ],
	[ 'ListStreams', { TableName => '' }, 'ValidationException', qr/Value '' at 'tableName' .* length greater than or equal to 1$/ ],
	[ 'ListStreams', { TableName => $long }, 'ValidationException', qr/length less than or equal to 1024$/ ],
	[ 'ListStreams', { ExclusiveStartStreamArn => 'x' x 40 }, 'ValidationException', qr/^Invalid StreamArn$/ ],
	[ 'DescribeStream', {}, 'ValidationException', qr/Value null at 'streamArn' .* must not be null$/ ],
	[ 'DescribeStream', { streamArn => $arn }, 'ValidationException', qr/Value null at 'streamArn'/ ],
	[ 'DescribeStream', { StreamArn => uc $arn }, 'ValidationException', qr/^Invalid StreamArn$/ ],
	[ 'DescribeStream', { StreamArn => $arn =~ s/dynamodb/kinesis/r }, 'ValidationException', qr/^Invalid StreamArn$/ ],
	[ 'DescribeStream', { StreamArn => $arn =~ s/orders/none/r }, 'ResourceNotFoundException', qr/^Requested resource not found: Stream: \S+ not found$/ ],
	[ 'DescribeStream', { StreamArn => $arn, ExclusiveStartShardId => 'x' }, 'ValidationException', qr/'exclusiveStartShardId'/ ],
	[ 'DescribeStream', { StreamArn => $arn, ShardFilter => [] }, 'SerializationException', qr/v20120810\.ShardFilter$/ ],
	[ 'DescribeStream', { StreamArn => $arn, ShardFilter => { Type => 'child_shards', ShardId => $shard } }, 'ValidationException', qr/enum value set: \[CHILD_SHARDS\]$/ ],
	[ 'GetShardIterator', {}, 'ValidationException', qr/^3 validation errors detected: / ],
	[ 'GetShardIterator', { %shard, ShardIteratorType => 'trim_horizon' }, 'ValidationException', qr/enum value set: \[/ ],
	[ 'GetShardIterator', { %shard, ShardId => $other_shard }, 'ResourceNotFoundException', qr/^Requested resource not found: Shard does not exist$/ ],
	[ 'GetShardIterator', { %shard, ShardId => 'x' x 66 }, 'ValidationException', qr/length less than or equal to 65$/ ],
	[ 'GetShardIterator', { %shard, SequenceNumber => $number }, 'ValidationException', qr/SequenceNumber/ ],
	[ 'GetShardIterator', { %shard, ShardIteratorType => 'AT_SEQUENCE_NUMBER' }, 'ValidationException', qr/SequenceNumber/ ],
	[ 'GetShardIterator', { %shard, ShardIteratorType => 'AT_SEQUENCE_NUMBER', SequenceNumber => 'x' x 21 }, 'ValidationException', qr/SequenceNumber/ ],
	[ 'GetShardIterator', { %shard, ShardIteratorType => 'AT_SEQUENCE_NUMBER', SequenceNumber => $number }, 'TrimmedDataAccessException', qr/has been trimmed$/ ],
	[ 'GetShardIterator', { %shard, ShardIteratorType => 'AT_TIMESTAMP', Timestamp => '2026' }, 'SerializationException', qr/^STRING_VALUE cannot be converted to Date$/ ],
	[ 'GetShardIterator', { %shard, ShardIteratorType => 'AT_TIMESTAMP', Timestamp => 9e15 }, 'ValidationException', qr/future/ ],
	[ 'GetRecords', {}, 'ValidationException', qr/Value null at 'shardIterator'/ ],
	[ 'GetRecords', { ShardIterator => '' }, 'ValidationException', qr/length greater than or equal to 1$/ ],
	[ 'GetRecords', { ShardIterator => $long }, 'ValidationException', qr/length less than or equal to 2048$/ ],
	[ 'GetRecords', { ShardIterator => 'x' }, 'ValidationException', qr/^Invalid ShardIterator$/ ],
	[ 'GetRecords', { ShardIterator => substr($iterator, 0, -4) }, 'ValidationException', qr/^Invalid ShardIterator$/ ],
	[ 'GetRecords', { ShardIterator => $iterator =~ s/orders/other/r }, 'ValidationException', qr/^Invalid ShardIterator$/ ],
	[ 'GetRecords', { ShardIterator => $iterator, Limit => 0 }, 'ValidationException', qr/'limit'/ ],
	[ 'GetRecords', { ShardIterator => $iterator, Limit => 1001 }, 'ValidationException', qr/less than or equal to 1000$/ ],
	[ 'GetRecords', { ShardIterator => $iterator, Limit => '9' x 30 }, 'SerializationException', qr/^STRING_VALUE/ ],
	[ 'DynamoDB_20120810.DescribeTable', { TableName => 'ORDERS' }, 'ResourceNotFoundException', qr/^Requested resource not found: Table: ORDERS not found$/ ],
	[ 'DynamoDB_20120810.DescribeTable', { TableName => 'arn:aws:s3:::orders' }, 'ValidationException', qr/^Invalid table ARN/ ],
	[ 'DynamoDB_20120810.ListTables', { ExclusiveStartTableName => '' }, 'ValidationException', qr/'exclusiveStartTableName'/ ],
	[ 'DynamoDB_20120810.UpdateTable', { TableName => 'orders' }, 'ValidationException', qr/'streamSpecification'/ ],
	[ 'DynamoDB_20120810.UpdateTable', { TableName => 'other', StreamSpecification => { StreamEnabled => 'true' } }, 'SerializationException', qr/^Unexpected token received from parser$/ ],
	[ 'DynamoDB_20120810.UpdateTable', { TableName => 'other', StreamSpecification => { StreamEnabled => JSON::PP::true } }, 'ValidationException', qr/UpdateViewType is required$/ ],
	[ 'DynamoDB_20120810.UpdateTable', { TableName => 'other', StreamSpecification => { StreamEnabled => JSON::PP::false } }, 'ValidationException', qr/^Table has no stream to disable/ ])
{
	my ($operation, $request, $name, $text) = @$_;

	refuses(aws($gateway, $operation, $request, connection()), 400, $name, $text,
		"$operation " . substr(JSON::PP->new->canonical->encode($request), 0, 90));
}

# --- the target -----------------------------------------------------------------

foreach ('DynamoDB_20120810.Scan', 'DynamoDB_20120810.PutItem', 'DynamoDB_20120810.CreateTable', 'DynamoDB_20111205.ListTables',
	'DynamoDBStreams_20120810.liststreams', 'dynamodbstreams_20120810.ListStreams', 'DynamoDBStreams_20120810.ListTables',
	'DynamoDBStreams_20120810.GetRecords.x', 'DynamoDBStreams_20120810.CreateEventSourceMapping', 'DynamoDB_20120810.aws', '.',
	'DynamoDB_20120810.DescribeEndpoints')
{
	refuses(aws($gateway, $_, {}, connection()), 400, 'UnknownOperationException', undef, "target $_");
}

# --- the signature --------------------------------------------------------------

my $list = sub { aws($gateway, 'ListStreams', {}, connection(), @_) };
my $now = POSIX::strftime('%Y%m%dT%H%M%SZ', gmtime);
my $scope = substr($now, 0, 8) . '/us-east-1/dynamodb/aws4_request';
my %incomplete = (
	'no parameters' => 'AWS4-HMAC-SHA256',
	'no algorithm' => 'AWS4-',
	'no signature' => "AWS4-HMAC-SHA256 Credential=AKTEST/$scope, SignedHeaders=host",
	'no signed header' => "AWS4-HMAC-SHA256 Credential=AKTEST/$scope, SignedHeaders=, Signature=00",
	'a credential of six parts' => "AWS4-HMAC-SHA256 Credential=AK/TEST/$scope, SignedHeaders=host;x-amz-target, Signature=00",
	'Signature Version 4A' => "AWS4-ECDSA-P256-SHA256 Credential=AKTEST/$scope, SignedHeaders=host;x-amz-target, Signature=00");

refuses($list->(headers => { Authorization => $incomplete{$_} }), 400, 'IncompleteSignatureException', qr/./, $_)
  foreach sort keys %incomplete;
refuses($list->(headers => { Authorization => $_ }), 400, 'MissingAuthenticationTokenException', qr/^Request is missing Authentication Token$/,
	"Authorization: $_")
  foreach ('', 'AWS AKTEST:c2lnbmF0dXJl', 'Bearer x', 'aws4-hmac-sha256 x', 'AWS4');
refuses($list->(service => $_), 400, 'InvalidSignatureException', qr/scoped to correct service: 'dynamodb'/, "a scope of service '$_'")
  foreach ('', 'lambda', 'kinesis', 'DynamoDB');
refuses($list->(headers => { 'X-Amz-Date' => $_ }), 400, 'InvalidSignatureException', qr/^Signature (expired|not yet current): /, "signed at $_")
  foreach ('19700101T000000Z', '99991231T235959Z');
refuses($list->(headers => { 'X-Amz-Date' => $_ }), 400, 'IncompleteSignatureException', qr/must be in ISO-8601 'basic format'/, "signed at '$_'")
  foreach ('', 'junk', '20261328T000000Z', '2026-11-28T00:00:00Z', '1795800000');
refuses($list->(headers => { 'X-Amz-Content-Sha256' => $_ }), 400, 'InvalidSignatureException', qr/does not match/, "X-Amz-Content-Sha256: $_")
  foreach ('UNSIGNED-PAYLOAD', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', '0' x 64, '');
refuses($list->(id => $_), 400, 'UnrecognizedClientException', qr/security token/, "access key '$_'") foreach ('AKNONE', 'aktest', 'AKTEST%');

# the right signature with upper-case digits, and with one digit more
my %headers = (
	'Host' => "127.0.0.1:$gateway->{port}",
	'X-Amz-Date' => $now,
	'X-Amz-Target' => 'DynamoDBStreams_20120810.ListStreams');
my $signed = sign('POST', '/', \%headers, '{}');

is($list->(headers => { %headers, Authorization => $signed })->{status}, 200, 'the right signature');
refuses($list->(headers => { %headers, Authorization => $signed =~ s/(?<=Signature=)(.*)/\U$1/r =~ s/[0-9]\z/F/r }),
	400, 'InvalidSignatureException', qr/does not match/, 'a signature of upper-case digits');
refuses($list->(headers => { %headers, Authorization => "${signed}0" }), 400, 'InvalidSignatureException', qr/does not match/,
	'a signature that is too long');
refuses($list->(headers => { %headers, Authorization => $signed, 'X-Amz-Target' => 'DynamoDBStreams_20120810.GetRecords' }),
	400, 'InvalidSignatureException', qr/does not match/, 'the signature of another operation');
delete $headers{'X-Amz-Date'};
refuses($list->(headers => { %headers, Authorization => $signed }, no_sign => 1), 400, 'IncompleteSignatureException',
	qr/either a 'X-Amz-Date' or a 'Date' header/, 'no date');
my $presigned = '?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKTEST%2F' . $scope =~ s{/}{%2F}gr
  . "&X-Amz-Date=$now&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00";
refuses(call($gateway, 'POST', "/$presigned", body => '{}', no_sign => 1, connection(),
		headers => { 'X-Amz-Target' => 'DynamoDBStreams_20120810.ListStreams' }),
	400, 'InvalidSignatureException', qr/not supported/, 'a presigned URL');
refuses(lambda($gateway, 'GET', $presigned, undef, no_sign => 1, connection()), 403, 'InvalidSignatureException', qr/not supported/,
	'a presigned URL of Lambda');

# --- Lambda ---------------------------------------------------------------------

my $none = '/00000000-0000-0000-0000-000000000000';

foreach (
	[ 'GET', $none, undef, 404, 'ResourceNotFoundException' ],
	[ 'PUT', $none, '{}', 404, 'ResourceNotFoundException' ],
	[ 'DELETE', $none, undef, 404, 'ResourceNotFoundException' ],
	[ 'GET', '/x', undef, 400, 'ValidationException' ],
	[ 'PUT', $none, '{', 400, 'SerializationException' ],
	[ 'PUT', $none, '[]', 400, 'SerializationException' ],
	[ 'PUT', '', '{}', 404, 'UnknownOperationException' ],
	[ 'DELETE', '', undef, 404, 'UnknownOperationException' ],
	[ 'POST', $none, '{}', 404, 'UnknownOperationException' ],
	[ 'PATCH', $none, '{}', 404, 'UnknownOperationException' ],
	[ 'GET', "$none/x", undef, 404, 'UnknownOperationException' ],
	[ 'POST', '', '', 400, 'SerializationException' ],
	[ 'POST', '', '{}', 400, 'InvalidParameterValueException' ],
	[ 'POST', '', { FilterCriteria => [] }, 400, 'SerializationException' ],
	[ 'POST', '', { %mapping, FunctionName => 'none' }, 400, 'InvalidParameterValueException' ],
	[ 'POST', '', { %mapping, FunctionName => 5 }, 400, 'SerializationException' ],
	[ 'POST', '', { %mapping, EventSourceArn => 'arn:aws:sqs:eu-west-1:123456789012:queue' }, 400, 'InvalidParameterValueException' ],
	[ 'POST', '', { %mapping, EventSourceArn => $arn =~ s/orders/none/r }, 400, 'InvalidParameterValueException' ],
	[ 'POST', '', { %mapping, StartingPosition => 'latest' }, 400, 'ValidationException' ],
	[ 'POST', '', { %mapping, StartingPosition => 'AT_TIMESTAMP' }, 400, 'InvalidParameterValueException' ],
	[ 'POST', '', { %mapping, BatchSize => 0 }, 400, 'ValidationException' ],
	[ 'POST', '', { %mapping, BatchSize => '1' }, 400, 'SerializationException' ],
	[ 'POST', '', { %mapping, ParallelizationFactor => 11 }, 400, 'ValidationException' ],
	[ 'POST', '', { %mapping, FunctionResponseTypes => ['x'] }, 400, 'InvalidParameterValueException' ],
	[ 'POST', '', { %mapping, FilterCriteria => { Filters => [ { Pattern => '{' } ] } }, 400, 'InvalidParameterValueException' ],
	[ 'GET', '?MaxItems=0', undef, 400, 'ValidationException' ],
	[ 'GET', '?Marker=junk', undef, 400, 'InvalidParameterValueException' ],
	[ 'GET', '?EventSourceArn=junk', undef, 400, 'InvalidParameterValueException' ],
	[ 'GET', '?FunctionName=%ff', undef, 400, 'SerializationException' ],
	[ 'GET', '?FunctionName=%f', undef, 400, 'InvalidParameterValueException' ])
{
	my ($method, $rest, $request, $status, $name) = @$_;

	refuses(lambda($gateway, $method, $rest, $request, connection()), $status, $name, undef,
		"$method $rest " . substr(ref $request ? JSON::PP->new->canonical->encode($request) : $request // '', 0, 60));
}
is(scalar(@{ lambda($gateway, 'GET', '', undef, connection())->{json}{EventSourceMappings} }), 0, 'no mapping was made');

# --- HTTP -----------------------------------------------------------------------

sub raw
{
	my $new = connect_to($gateway);

	send_to($new, join('', @_));
	return receive($new);
}

# A signed ListStreams with other lines between the request line and the body
sub signed_request
{
	my ($version, $more, $body) = @_;
	my %of = (%headers, 'X-Amz-Date' => POSIX::strftime('%Y%m%dT%H%M%SZ', gmtime));

	return "POST / HTTP/$version\r\n" . join('', map { "$_: $of{$_}\r\n" } sort keys %of)
	  . 'Authorization: ' . sign('POST', '/', \%of, '{}') . "\r\n$more\r\n$body";
}

is(raw(signed_request('1.0', "Content-Length: 2\r\n", '{}'))->{status}, 200, 'HTTP/1.0');
is(raw(signed_request('1.1', "Transfer-Encoding: chunked\r\n", "1\r\n{\r\n1\r\n}\r\n0\r\nX-Trailer: 1\r\n\r\n"))->{status}, 200,
	'a body in chunks');
# libmicrohttpd 1.0.1 takes the end of a line with an extension for data.
like(raw(signed_request('1.1', "Transfer-Encoding: chunked\r\n", "2;x=y\r\n{}\r\n0\r\n\r\n"))->{status}, qr/^(200|400)$/,
	'a chunk with an extension');
refuses(raw(signed_request('1.1', "Content-Length: 0\r\n", '')), 400, 'InvalidSignatureException', qr/does not match/,
	'a body that has not arrived');
is(raw(signed_request('1.1', $_, '{}'))->{status}, 400, "no length: $_" =~ s/\r\n//r)
  foreach ("Content-Length: -2\r\n", "Content-Length: two\r\n", "Content-Length: 2, 2\r\n", "Transfer-Encoding: chunked\r\n");
like(raw("GET / $_\r\nHost: x\r\n\r\n")->{status}, qr/^(400|505)$/, "version $_") foreach ('HTTP/2.0', 'HTTP/x', 'HTTPS/1.1');
foreach my $method ('GET', 'PUT', 'DELETE', 'post')
{
	isnt(aws($gateway, 'ListStreams', '{}')->{body}, '', 'POST of an operation');
	unlike(call($gateway, $method, '/', headers => { 'X-Amz-Target' => 'DynamoDBStreams_20120810.ListStreams' })->{body},
		qr/StreamArn/, "$method of an operation");
}

# Requests behind one another, before any is answered; one of them is bad.
$socket = connect_to($gateway);
send_to($socket, signed_request('1.1', "Content-Length: 2\r\n", '{}')
	  . "POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: DynamoDBStreams_20120810.Nothing\r\nContent-Length: 0\r\n\r\n"
	  . signed_request('1.1', "Connection: close\r\nContent-Length: 2\r\n", '{}'));
my $bytes = '';
1 while sysread($socket, $bytes, 65536, length($bytes));
is(join(' ', $bytes =~ m{HTTP/1\.1 (\d+)}g), '200 400 200', 'three requests at once');

is(aws($gateway, 'ListStreams', {})->{status}, 200, 'it goes on');
unlike(slurp_file($gateway->{log}), qr/SQLSTATE|cannot connect/, 'none of it was an error of the server');
is(stop_gateway($gateway), 0, 'it ends');

done_testing();
