# What ddbstreams-gateway keeps: memory and descriptors after many pages of
# records, connections, and large bodies, and while clients do not read.
#
# To see it fail: test/mutations/run gateway-keep-pages gateway-unread-metrics
# gateway-unread-answers gateway-unread-metrics-stay.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use GatewayTest;
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Socket qw(IPPROTO_TCP SOL_SOCKET SO_RCVBUF TCP_MAXSEG);
use StreamTest;
use Test::More;
use Time::HiRes qw(usleep);

plan skip_all => 'ddbstreams-gateway is not built' unless gateway_program();
plan skip_all => 'there is no /proc' unless -r '/proc/self/status';

# What may be resident beside pages, in bytes
use constant MAX_RESIDENT => 20 * 1024 * 1024;
use constant READERS => 16;

my $node = new_server('memory', "ddbstreams.max_readers_per_shard = 64\n");
my $gateway = start_gateway($node, '--no-auth', '--connections', READERS, '--timeout', '3600');

sub resident
{
	my ($kilobytes) = slurp_file("/proc/$gateway->{pid}/status") =~ /^VmRSS:\s*(\d+) kB$/m;

	return $kilobytes * 1024;
}

sub descriptors
{
	return scalar(my @files = glob("/proc/$gateway->{pid}/fd/*"));
}

# Waits until something is at most so much; the last value.
sub settles
{
	my ($measure, $most) = @_;
	my $value;

	foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		$value = $measure->();
		return $value if $value <= $most;
		usleep(100_000);
	}
	return $value;
}

sub megabytes
{
	return sprintf('%.1f MB', $_[0] / 1024 / 1024);
}

# A connection whose kernel takes little of what is sent to it
sub narrow_connection
{
	my $socket;

	socket($socket, Socket::PF_INET(), Socket::SOCK_STREAM(), 0) or die "socket: $!";
	setsockopt($socket, SOL_SOCKET, SO_RCVBUF, 4096) or die "setsockopt: $!";
	setsockopt($socket, IPPROTO_TCP, TCP_MAXSEG, 536) or die "setsockopt: $!";
	connect($socket, Socket::pack_sockaddr_in($gateway->{port}, Socket::INADDR_LOOPBACK()))
	  or die "connect: $!";
	return $socket;
}

# --- pages ------------------------------------------------------------------

$node->safe_psql('postgres', <<'SQL');
CREATE TABLE items (id int PRIMARY KEY, note text);
SELECT ddbstreams.enable_stream('items', shard_count => 1);
INSERT INTO items SELECT i, repeat('x', 700) FROM generate_series(1, 1000) i;
SQL
my $iterator = $node->safe_psql('postgres', q{
	SELECT ddbstreams.get_shard_iterator(arn, shard_id, 'TRIM_HORIZON')
	FROM ddbstreams.latest_stream_arn('items') arn, ddbstreams.describe_stream(arn)});
my %page = (ShardIterator => $iterator, Limit => 1000);
my $size = length(aws($gateway, 'GetRecords', \%page, no_sign => 1, raw => 1)->{body});

cmp_ok($size, '>', 500_000, 'a page is large');
my $descriptors;

foreach my $round (1 .. 5)
{
	my @sockets = map { connect_to($gateway) } 1 .. READERS;
	my $complete = 0;

	aws($gateway, 'GetRecords', \%page, no_sign => 1, socket => $_, no_wait => 1) foreach @sockets;
	$complete += length(receive($_, raw => 1)->{body}) == $size foreach @sockets;
	is($complete, READERS, "round $round: all pages arrive");
}
my $after = settles(\&resident, MAX_RESIDENT);
cmp_ok($after, '<=', MAX_RESIDENT, 'memory after pages: ' . megabytes($after));

my @slow = map { narrow_connection() } 1 .. READERS;
aws($gateway, 'GetRecords', \%page, no_sign => 1, socket => $_, no_wait => 1) foreach @slow;
my $ready = 0;
foreach (@slow)
{
	my $seen = '';

	vec($seen, fileno($_), 1) = 1;
	$ready += select($seen, undef, undef, $PostgreSQL::Test::Utils::timeout_default);
}
is($ready, READERS, 'clients that do not read have the beginnings of their pages');
$after = settles(\&resident, MAX_RESIDENT + READERS * $size);
cmp_ok($after, '<=', MAX_RESIDENT + READERS * $size, 'memory while they do not read: ' . megabytes($after));
undef @slow;

# Single records may be large.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE large (id int PRIMARY KEY, note text);
SELECT ddbstreams.enable_stream('large', shard_count => 1);
INSERT INTO large VALUES (1, repeat('x', 50000000));
SQL
my $large = $node->safe_psql('postgres', q{
	SELECT ddbstreams.get_shard_iterator(arn, shard_id, 'TRIM_HORIZON')
	FROM ddbstreams.latest_stream_arn('large') arn, ddbstreams.describe_stream(arn)});
my @large_statuses;
foreach (1 .. 8)
{
	my $socket = narrow_connection();
	my $bytes;

	push(@slow, $socket);
	aws($gateway, 'GetRecords', {ShardIterator => $large}, no_sign => 1, socket => $socket, no_wait => 1);
	sysread($socket, $bytes, 12);
	push(@large_statuses, substr($bytes, 9));
}
is("@large_statuses", '200 200 200 200 200 500 500 500', 'no more large answers than may be unread');
is(aws($gateway, 'ListStreams', {}, no_sign => 1, raw => 1)->{status}, 200, 'small ones are answered');
undef @slow;
is(settles(sub { aws($gateway, 'GetRecords', {ShardIterator => $large}, no_sign => 1, raw => 1)->{status} }, 200),
	200, 'large ones are answered again when these clients have gone');

# --- connections and bodies -------------------------------------------------

# A client that has gone may be noticed by libmicrohttpd at --timeout only.
my $patient = $gateway;
$gateway = start_gateway($node, '--no-auth', '--connections', READERS, '--timeout', '5');
is(aws($gateway, 'GetRecords', \%page, no_sign => 1, raw => 1)->{status}, 200, 'a gateway with a short timeout');
$descriptors = descriptors();

foreach my $round (1 .. 3)
{
	my @idle = map { connect_to($gateway) } 1 .. 300;
	my @large = map { connect_to($gateway) } 1 .. 40;

	foreach (@large)
	{
		send_to($_, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000001\r\n\r\n" . 'x' x 1_000_000);
	}
	send_to($_, "POST / HTTP/1.1\r\nHost: localhost\r\nX-A: " . 'x' x 8000) foreach @idle;
	is(aws($gateway, 'GetRecords', \%page, no_sign => 1, raw => 1)->{status}, 200, "round $round: a request among others");
}
$after = settles(\&resident, MAX_RESIDENT);
cmp_ok($after, '<=', MAX_RESIDENT, 'memory after connections and bodies: ' . megabytes($after));
cmp_ok(settles(\&descriptors, $descriptors), '<=', $descriptors, 'descriptors are as before');

is(stop_gateway($gateway), 0, 'it ends');

# --- metrics ----------------------------------------------------------------

$gateway = $patient;

$node->safe_psql('postgres', <<'SQL');
CREATE TABLE many (id int PRIMARY KEY);
SELECT ddbstreams.enable_stream('many', shard_count => 64);
SELECT ddbstreams.create_consumer(repeat('c', 100) || i, ddbstreams.latest_stream_arn('many'))
FROM generate_series(1, 50) i;
SQL
$size = length(call($gateway, 'GET', '/metrics?shards=1', no_sign => 1)->{body});
cmp_ok($size, '>', 2_000_000, 'metrics are large');
my @statuses;
foreach my $client (1 .. 12)
{
	my $socket = narrow_connection();
	my $bytes;

	push(@slow, $socket);
	call($gateway, 'GET', '/metrics?shards=1', no_sign => 1, socket => $socket, no_wait => 1);
	sysread($socket, $bytes, 12);
	push(@statuses, substr($bytes, 9));
}
is($statuses[0], 200, 'metrics for a client that does not read');
ok((grep { $_ == 503 } @statuses), 'no more of them than may be');
$after = settles(\&resident, MAX_RESIDENT + 8 * 1024 * 1024 + $size);
cmp_ok($after, '<=', MAX_RESIDENT + 8 * 1024 * 1024 + $size, 'memory for them: ' . megabytes($after));
is(aws($gateway, 'GetRecords', \%page, no_sign => 1, raw => 1)->{status}, 200, 'others are answered');
is( settles(sub { call($gateway, 'GET', '/metrics', no_sign => 1)->{status} }, 200),
	200, 'metrics are there again, and those who do not read them are not');
undef @slow;
is(stop_gateway($gateway), 0, 'it ends');

done_testing();
