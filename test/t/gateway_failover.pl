# ddbstreams-gateway whose connection string names two servers: when the primary
# goes, requests are answered 500 until the standby is promoted; then readers go
# on with their iterators, and lose nothing.
#
# To see it fail: take target_session_attrs from the connection string below.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use GatewayTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StreamTest;
use Test::More;
use Time::HiRes qw(usleep);

plan skip_all => 'ddbstreams-gateway is not built' unless gateway_program();

my $primary = new_server('primary', '', streaming => 1);
my $standby = PostgreSQL::Test::Cluster->new('standby');

$primary->backup('base');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->safe_psql('postgres', <<'SQL');
CREATE TABLE orders (id int PRIMARY KEY);
SELECT ddbstreams.enable_stream('orders', shard_count => 1);
SQL

# "Both" stands where start_gateway expects a server.
package Both
{
	sub connstr
	{
		return sprintf("host=%s,%s port=%s,%s dbname=postgres user=%s target_session_attrs=read-write",
			map({ $_->host } $primary, $standby), map({ $_->port } $primary, $standby),
			scalar getpwuid($>));
	}
}

my $gateway = start_gateway(bless({}, 'Both'), '--no-auth');
my $before = start_gateway($standby, '--no-auth');
my $arn = aws($gateway, 'ListStreams', {})->{json}{Streams}[0]{StreamArn};
my $shard =
  aws($gateway, 'DescribeStream', { StreamArn => $arn })->{json}{StreamDescription}{Shards}[0]{ShardId};
my $iterator = aws($gateway, 'GetShardIterator',
	{ StreamArn => $arn, ShardId => $shard, ShardIteratorType => 'TRIM_HORIZON' })->{json}{ShardIterator};

# Returns the keys of what is to be read from the iterator on, and moves it.
sub follow_on
{
	my $answer = aws($gateway, 'GetRecords', { ShardIterator => $iterator });

	return "status $answer->{status}" if $answer->{status} != 200;
	$iterator = $answer->{json}{NextShardIterator};
	return join(' ', map { $_->{dynamodb}{Keys}{id}{N} } @{ $answer->{json}{Records} });
}

$primary->safe_psql('postgres', 'INSERT INTO orders SELECT generate_series(1, 3)');
is(follow_on(), '1 2 3', 'records of the primary');
$primary->safe_psql('postgres', 'INSERT INTO orders SELECT generate_series(4, 6)');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));

# a gateway in front of the standby
my $answer = aws($before, 'GetRecords', { ShardIterator => $iterator });
is(scalar(@{ $answer->{json}{Records} }), 3, 'a standby can be read');
$answer = aws($before, 'DynamoDB_20120810.UpdateTable',
	{ TableName => 'orders', StreamSpecification => { StreamEnabled => JSON::PP::false } });
is($answer->{status}, 500, 'a standby cannot be written to');
like($answer->{json}{message}, qr/read-only|recovery/, 'a standby says why');
stop_gateway($before);

$primary->stop('immediate');
is(follow_on(), 'status 500', 'without a primary');
is(call($gateway, 'GET', '/healthz', no_sign => 1)->{status}, 200, 'a server answers, though it is a standby');
$standby->promote;
is(follow_on(), '4 5 6', 'the records that were not read yet, behind the promotion');
$standby->safe_psql('postgres', 'INSERT INTO orders VALUES (7)');
is(follow_on(), '7', 'new records');
is(stop_gateway($gateway), 0, 'the gateway ends');

done_testing();
