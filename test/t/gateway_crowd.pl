# ddbstreams-gateway and many clients without a key: they keep no others out, by
# connections, by requests for metrics, or by wrong passwords.
#
# To see it fail: test/mutations/run gateway-console-of-one-address
# gateway-full-of-silence gateway-known-end-first gateway-metrics-each.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use GatewayTest;
use IO::Socket::INET;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StreamTest;
use Test::More;

plan skip_all => 'ddbstreams-gateway is not built' unless gateway_program();

my $node = new_server('gateway_crowd', 'ddbstreams.maintenance_interval = 1h');
my $dir = $PostgreSQL::Test::Utils::tmp_check;
my $keys = write_file("$dir/keys", "AKTEST test/secret+key ada\n");

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE ada LOGIN;
CREATE ROLE watcher LOGIN IN ROLE pg_monitor;
ALTER ROLE watcher SET log_statement = 'all';
CREATE TABLE t (id int PRIMARY KEY);
SELECT ddbstreams.enable_stream('t', shard_count => 1);
SQL

# --- connections ------------------------------------------------------------------

# Nothing but a new connection ends a silent one.
my $gateway = start_gateway($node, '--keys', $keys, '--metrics-role', 'watcher',
	'--clients', '5', '--timeout', '3600');
my $known = connect_to($gateway);

is(aws($gateway, 'ListStreams', {}, socket => $known)->{status}, 200, 'a client with a key');
my @silent = map { connect_to($gateway) } 1 .. 200;
is(aws($gateway, 'ListStreams', {})->{status}, 200, 'a client with a key is answered, however many say nothing');
is((aws($gateway, 'ListStreams', {}, socket => $known) // {})->{status}, 200, '... and its connection stays');

# Those that have sent a half of a request, or ask for something all the time
undef @silent;
foreach (1 .. 200)
{
	my $socket = connect_to($gateway);

	send_to($socket, "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{");
	push(@silent, $socket);
}
is(aws($gateway, 'ListStreams', {})->{status}, 200, 'a client with a key is answered, while others send no end of a request');
is((aws($gateway, 'ListStreams', {}, socket => $known) // {})->{status}, 200, '... and its connection stays');
undef @silent;
is(stop_gateway($gateway), 0, 'it ends');

# --- metrics ----------------------------------------------------------------------

$gateway = start_gateway($node, '--keys', $keys, '--metrics-role', 'watcher');
is(call($gateway, 'GET', '/metrics', no_sign => 1)->{status}, 200, 'metrics');

# Returns how many times the database was asked by a number of requests that
# came while it had not answered the one before; or undef if that took so long
# that they were given up.
sub count_statements
{
	my ($requests) = @_;
	my $offset = -s $node->logfile;
	my $lock = session($node);
	my @sockets;
	my @failed;

	send_query($lock, 'BEGIN; LOCK TABLE ddbstreams_shards.stream IN ACCESS EXCLUSIVE MODE');
	finish_query($lock);
	push(@sockets, call($gateway, 'GET', '/metrics', no_sign => 1, no_wait => 1));
	$node->poll_query_until('postgres', q{
		SELECT count(*) > 0 FROM pg_stat_activity WHERE usename = 'watcher' AND wait_event_type = 'Lock'});
	push(@sockets, call($gateway, 'GET', '/metrics', no_sign => 1, no_wait => 1)) foreach 1 .. $requests;
	# a request that comes later is answered when these have been read
	call($gateway, 'GET', '/console', no_sign => 1);
	send_query($lock, 'ROLLBACK');
	finish_query($lock);
	foreach (@sockets)
	{
		my $answer = receive($_, raw => 1);

		push(@failed, $answer->{status}) unless $answer->{status} == 200;
	}
	return if @failed;
	my $log = slurp_file($node->logfile, $offset);

	return scalar(() = $log =~ /execute gateway_metrics/g);
}

my $count;
foreach (1 .. 20)
{
	last if defined($count = count_statements(20));
}
cmp_ok($count // 'none', '<=', 3, 'requests for metrics share what the database says');
is(stop_gateway($gateway), 0, 'it ends');

# --- the console ------------------------------------------------------------------

# Wrong passwords from one address, and the right one from another
$node->safe_psql('postgres', q{CREATE ROLE keeper LOGIN PASSWORD 'right'});
my $hba = slurp_file($node->data_dir . '/pg_hba.conf');
write_file($node->data_dir . '/pg_hba.conf', "local all keeper scram-sha-256\n$hba");
$node->reload;
$gateway = start_gateway($node, '--keys', $keys);

sub sign_in
{
	my ($address, $password, %params) = @_;
	my $socket = IO::Socket::INET->new(LocalAddr => $address, PeerAddr => '127.0.0.1', PeerPort => $gateway->{port})
	  // die "cannot connect: $@";

	return call($gateway, 'GET', '/console/data/streams', no_sign => 1, socket => $socket,
		headers => { Authorization => 'Basic ' . encode_base64("keeper:$password", '') }, %params);
}

SKIP:
{
	skip 'only Linux has all addresses of 127.0.0.0/8', 3 unless $^O eq 'linux';
	is(sign_in('127.0.0.1', 'right')->{status}, 200, 'the console');
	my @wrong = map { sign_in('127.0.0.2', 'wrong', no_wait => 1) } 1 .. 40;
	is(sign_in('127.0.0.1', 'right')->{status}, 200, 'the console while another machine tries passwords');
	is(scalar(grep { receive($_)->{status} !~ /^(401|503)$/ } @wrong), 0, '... in vain');
}
is(stop_gateway($gateway), 0, 'it ends');

$node->stop;
done_testing();
