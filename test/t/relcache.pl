# ddbstreams takes one of the ten relcache callbacks that a backend has room for,
# whatever a session does with streams.  At the eleventh PostgreSQL ends the
# session, so other libraries need the rest.
#
# To see it fail: test/mutations/run callbacks-of-each-file.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql);

my $node = new_server('relcache', 'ddbstreams.maintenance_interval = 1h');

if (sql(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'plpython3u'}) eq '0')
{
	plan skip_all => 'no PL/Python';
}

sql(q{
CREATE EXTENSION plpython3u;
CREATE TABLE plain (id int PRIMARY KEY);
CREATE TABLE t (id int PRIMARY KEY);
SELECT ddbstreams.enable_stream('t', shard_count => 2);

-- Registers a callback, which does nothing, so many times
CREATE FUNCTION fill(count int) RETURNS text LANGUAGE plpython3u AS $$
	import ctypes
	libc = ctypes.CDLL(None)
	libc.CacheRegisterRelcacheCallback.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
	for i in range(count):
		libc.CacheRegisterRelcacheCallback(ctypes.cast(libc.abs, ctypes.c_void_p), None)
	return 'filled'
$$;
});

# For how many callbacks is there room in a session that has run some statements?
sub room
{
	my ($statements) = @_;

	foreach my $count (1 .. 11)
	{
		my ($code, $out, $err) = $node->psql('postgres', "$statements; SELECT fill($count)");

		next if $out =~ /filled/;
		like($err, qr/out of relcache_callback_list slots/, "there is room for no more than " . ($count - 1));
		return $count - 1;
	}
	return;
}

my $without = room(q{INSERT INTO plain VALUES (1); DELETE FROM plain; SELECT count(*) FROM plain});
my $with = room(q{
	INSERT INTO t VALUES (1); DELETE FROM t;
	SELECT count(*) FROM ddbstreams.changes(null::t);
	SELECT count(*) FROM ddbstreams.list_streams();
	SELECT story('t');
	SELECT ddbstreams.roll_over(ddbstreams.latest_stream_arn('t'))});
is($with, $without - 1, 'ddbstreams takes one');

$node->stop;
done_testing();
