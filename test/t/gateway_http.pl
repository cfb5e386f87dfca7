# ddbstreams-gateway: its command line, limits, slow clients, gateways without
# signatures, metrics, TLS, and requests that wait for a connection.
#
# To see it fail: test/mutations/run gateway-any-header-name gateway-any-host
# gateway-label-unescaped gateway-more-connections gateway-slow-stay
# gateway-worker-wakes-nobody gateway-workers-of-one-role.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use GatewayTest;
use IO::Socket::INET;
use IPC::Run;
use List::Util qw(min);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StreamTest;
use Test::More;
use Time::HiRes qw(time usleep);

plan skip_all => 'ddbstreams-gateway is not built' unless gateway_program();

my $node = new_server('gateway', 'max_connections = 150');
my $dir = $PostgreSQL::Test::Utils::tmp_check;

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE ada LOGIN;
CREATE ROLE ben LOGIN;
CREATE ROLE watcher LOGIN IN ROLE pg_monitor;
CREATE TABLE orders (id int PRIMARY KEY);
ALTER TABLE orders OWNER TO ada;
CREATE SCHEMA "od""d\name
x";
CREATE TABLE "od""d\name
x".t (id int PRIMARY KEY);
SELECT ddbstreams.enable_stream('"od""d\name
x".t', shard_count => 1);
SQL

my $keys = write_file("$dir/keys", "AKTEST test/secret+key ada\nAKBEN bensecret ben\n"
	  . "AKOWN ownsecret ada application_name=own\n");

# --- the command line ---------------------------------------------------------

# Runs the program, and returns its exit status and what it says.
sub run_gateway
{
	my (@options) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ gateway_program(), @options ], '>', \$out, '2>', \$err);
	return ($? >> 8) . " $out$err";
}

like(run_gateway('--version'), qr/^0 ddbstreams-gateway \(ddbstreams\) \d/, '--version');
like(run_gateway('--help'), qr/^0 .*--keys FILE.*--no-auth/s, '--help');
like(run_gateway(), qr/^2 .*neither --keys nor --no-auth.*Hint/s, 'no keys');
like(run_gateway('--no-auth', '--keys', $keys), qr/^2 .*both --keys and --no-auth/s, 'keys, and none');
like(run_gateway('--no-auth', '--listen', '0.0.0.0:8100'), qr/^2 .*no loopback address/s,
	'--no-auth for everybody');
like(run_gateway('--no-auth', '--listen', '[::]:8100'), qr/^2 .*no loopback address/s,
	'--no-auth for everybody by IPv6');
like(run_gateway('--listen', $_), qr/^2 .*(invalid address|must be a number)/s, "--listen $_")
  foreach ('x', '127.0.0.1', '127.0.0.1:', '127.0.0.1:0', '127.0.0.1:99999', '::1:8100', ':8100', 'example.com:80');
like(run_gateway("--$_", '0'), qr/^2 .*must be a number from/s, "--$_ 0")
  foreach ('connections', 'shards', 'clients', 'timeout');
like(run_gateway('--shards', '3x'), qr/^2 .*must be a number from/s, '--shards 3x');
like(run_gateway('--nothing'), qr/^2 .*unknown option "--nothing"/s, 'an unknown option');
like(run_gateway('--keys'), qr/^2 .*needs a value/s, 'an option without its value');
like(run_gateway('--no-auth', 'a', 'b'), qr/^2 .*too many arguments/s, 'too many arguments');
like(run_gateway('--no-auth', '--tls-cert', 'x'), qr/^2 .*only one of --tls-cert and --tls-key/s, 'half of TLS');
like(run_gateway('--no-auth', 'host=a nonsense=b'), qr/^1 .*connection string is not well formed/s,
	'a wrong connection string');
like(run_gateway('--print-aws-alias', '--listen', '127.0.0.1:8111'),
	qr{^0 \[toplevel\]\ndynamodb = --endpoint-url http://127.0.0.1:8111 dynamodb\n.*\[command dynamodb\]\n.*get-shard-iterator = !aws --endpoint-url http://127.0.0.1:8111 dynamodbstreams get-shard-iterator "\$\@"\n}s,
	'--print-aws-alias');
like(run_gateway('--check', '--keys', $keys, $node->connstr('postgres')), qr/^0 /, '--check');
like(run_gateway('--check', '--keys', $keys, $node->connstr('template1')), qr/^1 .*role ada cannot use ddbstreams/s,
	'--check: a database without the extension');
foreach (
	[ "AK1 secret", 'line 1: it needs' ],
	[ "# x\n\nAK1 secret ada\nAK2 secret \"ada", 'line 4: it needs' ],
	[ "AK/1 secret ada", 'line 1: an access key id may have' ],
	[ 'AK1 ' . 'x' x 300 . ' ada', 'line 1: its secret is too long' ],
	[ "AK1 secret ada user=ben", 'line 1: its connection string names another user' ],
	[ "AK1 secret ada nonsense=x", 'line 1: the connection string is not well formed' ],
	[ "AK1 secret ada\0", 'zero byte' ])
{
	my $wrong = write_file("$dir/wrong", "$_->[0]\n");

	like(run_gateway('--check', '--keys', $wrong, $node->connstr('postgres')), qr/^1 .*\Q$_->[1]\E/,
		"a wrong keys file: $_->[1]");
}
unlike(run_gateway('--check', '--keys', write_file("$dir/wrong", "AK1 secret ada password=my hidden\n"), 'dbname=x'),
	qr/hidden/, 'a wrong keys file: no part of a password is told');
like(run_gateway('--check', '--keys', "$dir/nothing"), qr/^1 .*cannot read/, 'no keys file');
like(run_gateway('--check', '--keys', $dir), qr/^1 .*is not a regular file/, 'a directory');

# --- limits and strange requests ------------------------------------------------

my $gateway = start_gateway($node, '--keys', $keys, '--connections', '1', '--timeout', '2');
my $host = "Host: 127.0.0.1:$gateway->{port}\r\n";

# Sends bytes, and returns the answer.
sub raw
{
	my ($bytes, %params) = @_;
	my $socket = connect_to($gateway);

	send_to($socket, $bytes);
	return receive($socket, %params);
}

# A worker's answer is sent when it is there, and not when the thread of the
# connection looks next, every second. One in ten that is quick will do.
my @seconds = map
{
	my $begun = time;
	call($gateway, 'GET', '/healthz', no_sign => 1);
	time - $begun;
} 1 .. 10;
cmp_ok(min(@seconds), '<', 0.7, "a worker's answer is sent at once");

my $socket = connect_to($gateway);
foreach (1 .. 3)
{
	is(aws($gateway, 'ListStreams', {}, socket => $socket)->{status}, 200, "request $_ of a connection");
}
is(aws($gateway, 'ListStreams', '{"a":"' . 'x' x 1_000_000 . '"}')->{status}, 200, 'a body of almost 1 MiB');
my $answer = aws($gateway, 'ListStreams', '{"a":"' . 'x' x 1_048_576 . '"}');
is($answer->{status}, 413, 'a body of more than 1 MiB');
like($answer->{body}, qr/RequestEntityTooLargeException/, 'a body of more than 1 MiB: the error');
is($answer->{headers}{connection}, 'close', 'a body of more than 1 MiB: the connection ends');
is(lambda($gateway, 'POST', '', 'x' x 2_000_000)->{headers}{'x-amzn-errortype'},
	'RequestEntityTooLargeException', 'a body of more than 1 MiB, for Lambda');
is(aws($gateway, 'ListStreams', {}, headers => { 'X-A' => 'x' x 12_000 })->{status}, 200, 'large headers');
is(aws($gateway, 'ListStreams', {}, headers => { 'X-A' => 'x' x 16_384 })->{status}, 431, 'headers that are too large');
is(raw("GET / HTTP/1.1\r\n${host}X-A: " . 'x' x 100_000 . "\r\n\r\n")->{status}, 431, 'headers without an end');
is(raw("POST / HTTP/1.1\r\n$host$host\r\n")->{status}, 400, 'Host twice');
$answer = raw("POST / HTTP/1.1\r\n${host}X-Amz-Target: a.b\r\nX-Amz-Target: c.d\r\nContent-Length: 0\r\n\r\n");
is($answer->{status}, 400, 'X-Amz-Target twice');
like($answer->{body}, qr/__type/, 'X-Amz-Target twice: the error has the form of AWS');
is($answer->{headers}{connection}, 'close', 'X-Amz-Target twice: the connection ends');
like(raw("POST / HTTP/1.1\r\n${host}$_: 1\r\n$_: 1\r\n\r\n")->{status}, qr/^(400|501)$/, "$_ twice")
  foreach ('authorization', 'Content-Type', 'Transfer-Encoding', 'X-Amz-Content-Sha256', 'X-Amz-Date', 'X-Amz-Security-Token');
is(raw("GET / HTTP/1.1\r\n$host" . "X-A: b\r\n" x 199 . "\r\n")->{status}, 200, 'as many headers as may be');
is(raw("GET / HTTP/1.1\r\n$host" . "X-A: b\r\n" x 200 . "\r\n")->{status}, 431, 'too many headers');
is( raw("POST / HTTP/1.1\r\n${host}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")->{status},
	400, 'Content-Length and Transfer-Encoding');
# Newer versions of libmicrohttpd refuse these themselves, with 501.
foreach my $coding ('identity', 'gzip', 'gzip, chunked', 'xchunked')
{
	like(raw("POST / HTTP/1.1\r\n${host}Transfer-Encoding: $coding\r\n\r\n0\r\n\r\n")->{status},
		qr/^(400|501)$/, "Transfer-Encoding: $coding");
}
foreach my $name ('Content-Length ', "Content-Length\t", 'X A', "Content-Length\x01", 'X(A)', "X\xc4")
{
	is(raw("GET / HTTP/1.1\r\n$host$name: 0\r\n\r\n")->{status}, 400,
		'a header whose name is not well formed: ' . $name =~ s/[^!-~]/?/gr);
}
is(raw("POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")->{status},
	404, 'a body in chunks is read');
is( raw("POST / HTTP/1.1\r\n${host}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")->{status},
	100, 'Expect: 100-continue');
$answer = raw("GET / HTTP/1.0\r\n\r\n");
is("$answer->{status} $answer->{body}", '200 healthy: dynamodb.us-east-1.amazonaws.com ', 'GET /, by HTTP/1.0');
$answer = call($gateway, 'HEAD', '/', no_sign => 1);
is("$answer->{status} $answer->{headers}{'content-length'}", '200 42', 'HEAD /');
foreach my $method ('PUT', 'DELETE', 'OPTIONS', 'TRACE', 'STRANGEMETHODNAME')
{
	$answer = call($gateway, $method, '/', no_sign => 1);
	like("$answer->{status} $answer->{body}", qr/^(404 <UnknownOperationException|400 .*Unknown method)/, "$method /");
}
foreach my $type ('text/plain', 'application/x-amz-json-1.1', 'application/jsonx')
{
	is(call($gateway, 'POST', '/', body => '{}', no_sign => 1, headers => { 'Content-Type' => $type })->{status},
		404, "a body of another type: $type");
}
foreach my $type ('application/json', ' application/x-amz-json-1.0 ; charset=x')
{
	is(call($gateway, 'POST', '/', body => '{}', no_sign => 1, headers => { 'Content-Type' => $type })->{status},
		400, "JSON without a target: $type");
}
is(call($gateway, 'GET', '/nothing', no_sign => 1)->{status}, 404, 'GET of something else');
is(call($gateway, 'GET', "/%00%ff/../../etc/passwd?%", no_sign => 1)->{status}, 404, 'a strange path');
is(call($gateway, 'POST', '/', body => 'Action=GetCallerIdentity', no_sign => 1,
		headers => { 'Content-Type' => 'application/x-www-form-urlencoded' })->{status},
	404, 'a request of another protocol');
$answer = call($gateway, 'OPTIONS', '/', no_sign => 1,
	headers => { Origin => 'http://x', 'Access-Control-Request-Headers' => 'x-amz-target' });
is("$answer->{status} $answer->{headers}{'access-control-allow-origin'} $answer->{headers}{'access-control-allow-headers'}",
	'200 * x-amz-target', 'the question of a browser');

# Connections on which nothing, or too little, happens are closed.
sub seconds_to_end
{
	my ($first, $each) = @_;
	my $slow = connect_to($gateway);
	my $began = time;
	my $bytes;

	send_to($slow, $first);
	while (time - $began < $PostgreSQL::Test::Utils::timeout_default)
	{
		my $ready = '';

		vec($ready, fileno($slow), 1) = 1;
		return time - $began if select($ready, undef, undef, 0.5) && !sysread($slow, $bytes, 1000);
		return time - $began if $each ne '' && !send_to($slow, $each);
	}
	return;
}

# Is one of these connections closed by the gateway?
sub is_one_closed
{
	my (@sockets) = @_;
	my $ready = '';
	my $bytes;

	vec($ready, fileno($_), 1) = 1 foreach @sockets;
	return 0 unless select($ready, undef, undef, $PostgreSQL::Test::Utils::timeout_default);
	return scalar(grep { vec($ready, fileno($_), 1) && !sysread($_, $bytes, 1000) } @sockets);
}

ok(defined seconds_to_end('', ''), 'a connection without a request is closed');
ok(defined seconds_to_end("POST / HTTP/1.1\r\n$host", ''), 'half a request');
ok(defined seconds_to_end("POST / HTTP/1.1\r\n$host", "X-A: b\r\n"), 'headers that never end');
ok(defined seconds_to_end("POST / HTTP/1.1\r\n${host}Content-Length: 1000000\r\n\r\n", 'x'), 'a body that never ends');
is(aws($gateway, 'ListStreams', {})->{status}, 200, 'others are answered');

# --- connections of a role ------------------------------------------------------

my $blocker = session($node);
my %enable = (
	TableName => 'orders',
	StreamSpecification => { StreamEnabled => JSON::PP::true, StreamViewType => 'KEYS_ONLY' });

$blocker->query_safe('BEGIN; LOCK orders');
my $first = aws($gateway, 'DynamoDB_20120810.UpdateTable', \%enable, no_wait => 1);
$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
my $second = aws($gateway, 'ListStreams', {}, no_wait => 1);
my %ben = (id => 'AKBEN', secret => 'bensecret');

is(aws($gateway, 'ListStreams', {}, %ben)->{status}, 200, 'another role does not wait');
$answer = receive($second);
is($answer->{status}, 500, 'a request that waits for a connection for too long');
like($answer->{json}{__type}, qr/#InternalServerError$/, 'it is told so as AWS would');
is($answer->{headers}{'x-amz-retry-after'}, '500', 'it may be tried again');
$second = aws($gateway, 'ListStreams', {}, no_wait => 1);
$blocker->query_safe('COMMIT');
is(receive($first)->{status}, 200, 'the request that was first');
is(receive($second)->{status}, 200, 'the request that waited');
is($node->safe_psql('postgres',
		"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ddbstreams-gateway' AND usename = 'ada'"),
	1, 'no more connections than may be');

is(aws($gateway, 'ListStreams', {}, id => 'AKOWN', secret => 'ownsecret')->{status}, 200,
	'a key with a connection string of its own');
is($node->safe_psql('postgres', "SELECT usename FROM pg_stat_activity WHERE application_name = 'own'"),
	'ada', 'it counts over the common one');

# Many connections at once
my @sockets = map { connect_to($gateway) } 1 .. 200;
aws($gateway, 'ListStreams', {}, socket => $_, no_wait => 1) foreach @sockets;
is(scalar(grep { (receive($_) // {})->{status} == 200 } @sockets), 200, '200 requests at once');
is(stop_gateway($gateway), 0, 'it ends');

# As many connections as there are workers to spare, all of which wait.  It is
# well if some wait no longer: they are given up after ten seconds.
$gateway = start_gateway($node, '--keys', $keys, '--connections', '64');
$blocker->query_safe('BEGIN; LOCK orders');
@sockets = map { connect_to($gateway) } 1 .. 64;
aws($gateway, 'DynamoDB_20120810.UpdateTable',
	{ TableName => 'orders', StreamSpecification => { StreamEnabled => JSON::PP::false } },
	socket => $_, no_wait => 1) foreach @sockets;
for (my $until = time + 5; time < $until; usleep(50_000))
{
	last if $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == 64;
}
is(aws($gateway, 'ListStreams', {}, %ben)->{status}, 200, 'all requests of a role wait, and another role does not');
$blocker->query_safe('COMMIT');
receive($_) foreach @sockets;
is(stop_gateway($gateway), 0, 'it ends');

# --- gateways without signatures -------------------------------------------------

my $second_port = PostgreSQL::Test::Cluster::get_free_port();

$gateway = start_gateway($node, '--no-auth', '--listen', "127.0.0.2:$second_port");
ok(gateway_says($gateway, qr/listening on http:\/\/127.0.0.2/), 'a second address');
is(aws($gateway, 'ListStreams', {}, no_sign => 1,
		socket => IO::Socket::INET->new(PeerAddr => '127.0.0.2', PeerPort => $second_port))->{status},
	200, 'a second address is answered');
is(aws($gateway, 'ListStreams', {}, no_sign => 1)->{status}, 200, '--no-auth: no signature');
is(aws($gateway, 'ListStreams', {}, id => 'any', secret => 'thing')->{status}, 200, '--no-auth: any signature');
is(aws($gateway, 'ListStreams', {}, headers => { Authorization => 'Bearer x' })->{status}, 200,
	'--no-auth: anything');
is(aws($gateway, 'ListStreams', {}, no_sign => 1, headers => { Host => 'localhost:80' })->{status}, 200,
	'--no-auth: localhost');
is(aws($gateway, 'ListStreams', {}, no_sign => 1, headers => { Host => '[::1]:80' })->{status}, 200,
	'--no-auth: an address of IPv6');
foreach my $name ('example.com', 'localhost.example.com', '127.0.0.1.example.com', '')
{
	is(aws($gateway, 'ListStreams', {}, no_sign => 1, headers => { Host => $name })->{status}, 400,
		"--no-auth: the name of somebody else: $name");
}
foreach my $origin ('http://example.com', 'null', 'http://127.0.0.1:1')
{
	$answer = call($gateway, 'POST', '/2015-03-31/event-source-mappings/', no_sign => 1, body => '{}',
		headers => { 'Origin' => $origin, 'Content-Type' => 'text/plain' });
	is($answer->{status}, 403, "--no-auth: a form of another site: $origin");
	ok(!exists $answer->{headers}{'access-control-allow-origin'},
		"--no-auth: the browser keeps the answer to itself: $origin");
}
is(aws($gateway, 'ListStreams', {}, no_sign => 1, headers => { Origin => "http://127.0.0.1:$gateway->{port}" })->{status},
	200, '--no-auth: a page of its own');
is(aws($gateway, 'DescribeStream', { StreamArn => aws($gateway, 'ListStreams', { TableName => 'orders' }, no_sign => 1)
			  ->{json}{Streams}[0]{StreamArn} }, no_sign => 1)->{status},
	200, '--no-auth: the rights of the user of the connection string');
is(stop_gateway($gateway), 0, '--no-auth: it ends');

# --- metrics ---------------------------------------------------------------------

$gateway = start_gateway($node, '--keys', $keys, '--metrics-role', 'watcher', '--session-tokens', 'accept');
is(aws($gateway, 'ListStreams', {}, headers => { 'X-Amz-Security-Token' => 'x' })->{status}, 200,
	'--session-tokens accept');
aws($gateway, 'ListStreams', {}, id => 'AKNONE') foreach 1 .. 3;
$answer = call($gateway, 'GET', '/metrics', no_sign => 1);
is($answer->{status}, 200, 'metrics');
like($answer->{headers}{'content-type'}, qr{^text/plain; version=0.0.4}, 'metrics: the type');
my $metrics = $answer->{body};
foreach my $path ('/metrics', '/healthz', '/console')
{
	ok(!exists call($gateway, 'GET', $path, no_sign => 1, headers => { Origin => 'http://example.com' })
		  ->{headers}{'access-control-allow-origin'}, "$path is not for other sites");
}
is(lambda($gateway, 'GET', '', undef, headers => { Origin => 'http://example.com' })
	  ->{headers}{'access-control-allow-origin'}, '*', 'an operation of AWS is for them');
like($metrics, qr/^ddbstreams_gateway_requests_total\{operation="ListStreams",result="ok"\} 1$/m, 'metrics: requests');
like($metrics, qr/^ddbstreams_gateway_requests_total\{operation="ListStreams",result="UnrecognizedClientException"\} 3$/m,
	'metrics: errors');
like($metrics, qr/^ddbstreams_gateway_request_duration_seconds_count\{operation="ListStreams"\} 4$/m, 'metrics: times');
like($metrics, qr/^ddbstreams_up 1$/m, 'metrics: the database');
like($metrics, qr/^ddbstreams_stream_records\{stream="arn:[^"]*orders[^"]*"\} 0$/m, 'metrics: streams');
like($metrics, qr/^ddbstreams_stream_retention_seconds\{stream="arn:[^"]*orders[^"]*"\} 86400$/m, 'metrics: the retention');
like($metrics, qr/^ddbstreams_append_commits_total\{stream="arn:[^"]*orders[^"]*"\} 0$/m, 'metrics: appends');
like($metrics, qr/^ddbstreams_workers_waiting\{database="",type="launcher"\} 0$/m, 'metrics: workers that wait for a slot');
unlike($metrics, qr/shard="/, 'metrics: no single shard');
like($metrics, qr{table/od\\"d\\\\name\\nx\.t/stream}, 'metrics: labels are escaped');
like($metrics, qr/^ddbstreams_workers\{database="",type="launcher"\} 1$/m, 'metrics: workers');
is_deeply(
	[ grep { $_ !~ /^(# (HELP|TYPE) \w+ .*|\w+(\{(\w+="([^"\\\n]|\\.)*",?)+\})? -?\d+(\.\d+)?(e[-+]?\d+)?)$/ }
		  split(/\n/, $metrics) ],
	[], 'metrics: every line has the form');
my @types = $metrics =~ /^# TYPE (\w+)/mg;
my %types = map { $_ => 1 } @types;
is(scalar(@types), scalar(keys %types), 'metrics: each metric stands once');
like(call($gateway, 'GET', '/metrics?shards=1', no_sign => 1)->{body},
	qr/^ddbstreams_shard_records\{stream="arn:[^"]*orders[^"]*",shard="shardId-[^"]*"\} 0$/m, 'metrics of each shard');

# Bodies that do not end take all the memory that large bodies may take.
my @large = map { connect_to($gateway) } 1 .. 64;
foreach (@large)
{
	send_to($_, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000001\r\n\r\n" . 'x' x 1_000_000);
}
is(aws($gateway, 'ListStreams', {})->{status}, 200, 'a small body has memory beside large ones');
push(@large, connect_to($gateway));
send_to($large[-1], "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000001\r\n\r\n" . 'x' x 1_000_000);
ok(is_one_closed(@large), 'one large body more than may be: a connection ends');
close($_) foreach @large;

$node->stop;
like(call($gateway, 'GET', '/metrics', no_sign => 1)->{body}, qr/^ddbstreams_up 0$/m, 'metrics without a server');
$node->start;
is(stop_gateway($gateway), 0, 'metrics: it ends');

# --- TLS -------------------------------------------------------------------------

SKIP:
{
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $out;

	skip 'there is no openssl', 3
	  if system("openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost "
		  . "-keyout $dir/tls.key -out $dir/tls.crt >$dir/openssl.log 2>&1") != 0;
	$gateway = start_gateway($node, '--no-auth', '--tls-cert', "$dir/tls.crt", '--tls-key', "$dir/tls.key");
	IPC::Run::run(
		[ 'openssl', 's_client', '-quiet', '-CAfile', "$dir/tls.crt", '-verify_return_error',
			'-connect', "127.0.0.1:$gateway->{port}" ],
		'<', \"GET /healthz HTTP/1.0\r\n\r\n", '>', \$out, '2>', '/dev/null');
	like($out, qr{^HTTP/1.[01] 200 OK.*ok\n$}s, 'HTTPS');
	is(stop_gateway($gateway), 0, 'HTTPS: it ends');
	like(run_gateway('--no-auth', '--tls-cert', "$dir/none", '--tls-key', "$dir/tls.key"), qr/^1 .*cannot read/,
		'HTTPS without a certificate');
}

done_testing();
