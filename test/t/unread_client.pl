# A client that does not read what it is sent.  PostgreSQL waits for it before it
# goes on, and, if what it sends is an error, before it rolls back.  No other
# session waits with it: not the readers of records that its transaction has
# appended, and not those that want the reader slot that it has.
#
# To see it fail: test/mutations/run append-waits-for-client
# slot-waits-for-client.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IO::Socket::UNIX;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StreamTest qw(:DEFAULT sql comes_to);
use Test::More;
use Time::HiRes qw(time usleep);

plan skip_all => 'needs Unix sockets' if $windows_os;

my $node = new_server('unread', q{
ddbstreams.maintenance_interval = 1h
ddbstreams.max_readers_per_shard = 1
statement_timeout = 0});

# --- a client that decides when it reads ------------------------------------------

# Connects to the server as role eve; returns the socket and the process's number.
sub connect_client
{
	my $socket = IO::Socket::UNIX->new(Peer => $node->host . '/.s.PGSQL.' . $node->port)
	  // die "cannot connect: $!";
	my $start = pack('N', 196608) . "user\0eve\0database\0postgres\0\0";
	my $pid;

	syswrite($socket, pack('N', 4 + length($start)) . $start);
	while (1)
	{
		my ($type, $body) = read_message($socket);

		$pid = unpack('N', $body) if $type eq 'K';
		return ($socket, $pid) if $type eq 'Z';
	}
}

sub read_bytes
{
	my ($socket, $length) = @_;
	my $bytes = '';

	while (length($bytes) < $length)
	{
		my $read = sysread($socket, $bytes, $length - length($bytes), length($bytes));

		die "the server has closed the connection\n" unless $read;
	}
	return $bytes;
}

sub read_message
{
	my ($socket) = @_;
	my ($type, $length) = unpack('aN', read_bytes($socket, 5));

	return ($type, read_bytes($socket, $length - 4));
}

sub send_statement
{
	my ($socket, $statement) = @_;

	syswrite($socket, pack('aN', 'Q', 5 + length($statement)) . $statement . "\0");
	return;
}

sub notices
{
	my ($count) = @_;

	return "DO \$\$ BEGIN FOR i IN 1 .. $count LOOP RAISE NOTICE '%', repeat('x', 40); END LOOP; END \$\$; ";
}

# Waits until a process that has got its first statement waits for its client.
sub wait_for_client
{
	my ($pid) = @_;

	return $node->poll_query_until('postgres', qq{
		SELECT wait_event LIKE 'Client%' AND query <> '' FROM pg_stat_activity WHERE pid = $pid});
}

# --- what others see ----------------------------------------------------------------

sql(q{
CREATE ROLE eve LOGIN;
GRANT CREATE ON SCHEMA public TO eve;
CREATE TABLE t (id int PRIMARY KEY);
CREATE TABLE aged (id int PRIMARY KEY);
GRANT SELECT, INSERT ON t, aged TO eve;
SELECT ddbstreams.enable_stream('t', shard_count => 1),
	ddbstreams.enable_stream('aged', shard_count => 1, retention => '10 minutes');
});

# How many notices are sent before the socket is full
my ($socket, $pid) = connect_client();
send_statement($socket, notices(100_000));
$node->poll_query_until('postgres', "SELECT wait_event = 'ClientWrite' FROM pg_stat_activity WHERE pid = $pid");
sql("SELECT pg_terminate_backend($pid)");
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid");
my $room = 0;
eval { $room += (read_message($socket))[0] eq 'N' while 1; };
cmp_ok($room, '>', 20, 'notices fill the socket');

# Wherever the socket is full: before the commit, in it, behind it
my %ways = (
	'an error of a temporary table' => q{
		CREATE TEMP TABLE a (id int PRIMARY KEY) ON COMMIT DELETE ROWS;
		CREATE TEMP TABLE b (id int REFERENCES a) ON COMMIT PRESERVE ROWS; },
	'messages of a temporary table' => q{
		CREATE TEMP TABLE a (id int PRIMARY KEY) ON COMMIT DROP; SET LOCAL client_min_messages = debug2; },
	'messages of NOTIFY' => q{
		SET LOCAL trace_notify = on; SET LOCAL client_min_messages = debug1; NOTIFY x; });
my $id = 0;

foreach my $way (sort keys %ways)
{
	my @unseen;

	for (my $count = $room - 8; $count <= $room; $count++)
	{
		$id++;
		($socket, $pid) = connect_client();
		send_statement($socket, "BEGIN; INSERT INTO t VALUES ($id); $ways{$way}" . notices($count) . 'COMMIT');
		wait_for_client($pid);
		sql("INSERT INTO t VALUES (-$id)");
		push(@unseen, $count)
		  if sql("SELECT count(*) FROM follow('t') WHERE id = '-$id'") ne '1';
		close($socket);
		$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid");
	}
	is("@unseen", '', "$way: readers do not stop at the transaction");
}

# The error of a call that finds an old record when it reads the shard.  For eve
# it is an hour later than for others.
sql(q{
INSERT INTO aged VALUES (1);
INSERT INTO aged VALUES (2);
});
my $arn = sql(q{SELECT ddbstreams.latest_stream_arn('aged')});
my $iterator = sql(q{SELECT ddbstreams.get_shard_iterator(}
	  . qq{'$arn', shard_id, 'AT_SEQUENCE_NUMBER', (SELECT min(number) FROM follow('aged'))) }
	  . qq{FROM ddbstreams.describe_stream('$arn')});
my $read = "SELECT behind('$iterator')";
is(sql($read), 'I1 I2', 'the shard can be read');
sql('ALTER ROLE eve SET ddbstreams.clock_offset = 3600');
my @refused;
my $held = 0;

for (my $count = $room - 8; $count <= $room; $count++)
{
	($socket, $pid) = connect_client();
	send_statement($socket, notices($count) . $read);
	wait_for_client($pid);
	my ($code, $out, $err) = $node->psql('postgres', $read);
	push(@refused, "$count: $err") unless $code == 0;
	$held++ if sql("SELECT wait_event = 'ClientWrite' FROM pg_stat_activity WHERE pid = $pid") eq 't';
	close($socket);
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid");
}
cmp_ok($held, '>', 0, 'an error is sent to a client that does not read it');
is("@refused", '', 'others get the slot');
sql('ALTER ROLE eve RESET ddbstreams.clock_offset');

# What was kept is sent.
($socket, $pid) = connect_client();
send_statement($socket, 'SET trace_notify = on; SET client_min_messages = debug1');
1 until (read_message($socket))[0] eq 'Z';
send_statement($socket, notices($room) . 'BEGIN; INSERT INTO t VALUES (1000); NOTIFY y; COMMIT');
wait_for_client($pid);
my ($all, $type, $body) = ('');
do
{
	($type, $body) = read_message($socket);
	$all .= "$type$body";
} while ($type ne 'Z');
like($all, qr/PreCommit_Notify.*CCOMMIT/s, 'what was kept for the client comes, in its order');
is(sql('SELECT count(*) FROM t WHERE id = 1000'), '1', '... and the transaction has committed');
close($socket);

$node->stop;
done_testing();
