# However many mappings, shards and lanes there are, the dispatcher reads anew what
# has changed, serves other mappings meanwhile, and looks at those alone that have
# something to do.
#
# To see it fail: test/mutations/run discovery-of-all discovery-at-once
# discovery-of-whole-mapping idle-mappings-looked-at.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql comes_to);

my $mappings = 20;
my $shards = 40;
my $lanes = 5;
my $positions = $mappings * $shards * $lanes;
my $updates = 20;

my $node = new_server('discovery', q{
max_worker_processes = 16
max_locks_per_transaction = 256
ddbstreams.max_workers = 4
ddbstreams.maintenance_interval = '1h'
});

sql(qq{
	CREATE ROLE ann LOGIN;
	CREATE ROLE ben LOGIN;
	CREATE TABLE busy (id int PRIMARY KEY);
	CREATE TABLE calm (id int PRIMARY KEY);
	CREATE TABLE called (by name DEFAULT current_user);
	GRANT SELECT ON busy, calm TO ann, ben;
	GRANT INSERT ON called TO ann, ben;
	SELECT ddbstreams.enable_stream('busy', shard_count => $shards);
	SELECT ddbstreams.enable_stream('calm', shard_count => 1);
	DO \$\$ BEGIN
		FOR i IN 0 .. $mappings LOOP
			EXECUTE format('CREATE FUNCTION handler_%s(event jsonb) RETURNS void LANGUAGE sql AS
				''INSERT INTO called DEFAULT VALUES''', i);
		END LOOP;
	END \$\$});
sql(q{SET ROLE ben; SELECT ddbstreams.create_event_source_mapping('handler_0',
	ddbstreams.latest_stream_arn('calm'), 'TRIM_HORIZON')});
sql(qq{SET ROLE ann; SELECT count(ddbstreams.create_event_source_mapping(('handler_' || i)::regproc,
	ddbstreams.latest_stream_arn('busy'), 'TRIM_HORIZON', parallelization_factor => $lanes))
	FROM generate_series(1, $mappings) AS i});

# The list of mappings shows more, and reads positions for it.
my $known = q{SELECT count(*) FROM ddbstreams_shards.mapping WHERE acknowledged_version = version};
comes_to($known, $mappings + 1, 'all mappings are known');
is(sql('SELECT count(*) FROM ddbstreams_shards.mapping_shard'), $positions + 1, '... and their positions');

# Rows of positions that were read, by any process.
sub rows_read
{
	return sql(q{SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_all_tables
		WHERE relid = 'ddbstreams_shards.mapping_shard'::regclass});
}

sql(q{INSERT INTO calm VALUES (0)});
comes_to('SELECT count(*) FROM called', '1', 'a record is delivered');

my $uuid = sql(q{SELECT uuid FROM ddbstreams_shards.mapping WHERE function_name LIKE '%handler_0'});

# Each update has the dispatcher look for what has changed.  The units of the other
# mappings may just be run for the first time, which reads a row for each of them.
my $before = rows_read();
for my $n (1 .. $updates)
{
	sql("SELECT ddbstreams.update_event_source_mapping('$uuid', batch_size => $n)");
	comes_to($known, $mappings + 1, "update $n is known");
}
my $read = rows_read() - $before;
cmp_ok($read, '<', $updates * $positions / 4,
	"for each of them the positions of that mapping are read, and not those of all ($read)");

# All of ann's mappings are changed, and a record comes for ben's: when the dispatcher
# goes on, it finds both.
my $ben = sql(q{SELECT mapping_no FROM ddbstreams_shards.mapping WHERE function_name LIKE '%handler_0'});
my $dispatcher = sql(q{SELECT pid FROM ddbstreams.workers WHERE worker_type = 'dispatcher'});
$node->append_conf('postgresql.conf', 'log_min_messages = debug1');
$node->reload;
comes_to('SHOW log_min_messages', 'debug1', 'what the dispatcher does is logged');
sql(q{INSERT INTO calm VALUES (1)});
comes_to('SELECT count(*) FROM called', '2', 'a record is delivered');

my $log = -s $node->logfile;
kill STOP => $dispatcher;
sql(q{
	SELECT count(ddbstreams.update_event_source_mapping(uuid, batch_size => 99))
	FROM ddbstreams_shards.mapping WHERE function_name NOT LIKE '%handler_0';
	INSERT INTO calm VALUES (2)});
kill CONT => $dispatcher;
comes_to('SELECT count(*) FROM called', '3', 'a record is delivered');
comes_to($known, $mappings + 1, 'and all mappings are known');

# What the dispatcher has done from then on, in its order: D is a step of a
# discovery, d one that is not complete, B is the unit of ben's mapping.
my $done = '';
for my $line (split /\n/, slurp_file($node->logfile, $log))
{
	next if $line !~ /\[$dispatcher\]/;
	$done .= $1 ? 'd' : 'D' if $line =~ /discovered mapping \d+( in part)?/;
	$done .= 'B' if $line =~ /giving mapping $ben to a handler worker/;
}
like($done, qr/^.{0,2}B/, "a record is delivered before all that has changed is discovered: $done");
cmp_ok($done =~ tr/D//, '>=', $mappings, 'each mapping is discovered');
cmp_ok($done =~ tr/d//, '>=', $mappings, '... in more than one step');

# When the units of all mappings have been run, a record for one of them has the
# dispatcher look at no other.
my $looked_at;
for my $n (4 .. 1000)
{
	$log = -s $node->logfile;
	sql("INSERT INTO calm VALUES ($n)");
	comes_to('SELECT count(*) FROM called', $n, 'a record is delivered');
	$looked_at = 0;
	foreach (slurp_file($node->logfile, $log) =~ /\[$dispatcher\].*looked at (\d+) mappings/g)
	{
		$looked_at = $_ if $_ > $looked_at;
	}
	last if $looked_at == 1;
}
is($looked_at, 1, 'one of the mappings is looked at');

done_testing();
