# Verdicts on calls that have ended their process, which wait for somebody to ask for
# them (call_verdict.c): more of them than there is room for, and two on one call.
#
# To see it fail: test/mutations/run second-verdict-counts
# verdicts-crowd-out-notes.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql comes_to);

my $slots = 24;
my $node = new_server('verdicts', qq{
max_worker_processes = $slots
ddbstreams.maintenance_interval = 200ms
restart_after_crash = on
});

# A call waits until there is a role go_NAME.
sub make
{
	my ($name) = @_;

	sql(qq{
		CREATE TABLE $name (id int PRIMARY KEY);
		CREATE TABLE ${name}_seen (id int);
		CREATE FUNCTION ${name}_handler(event jsonb) RETURNS void LANGUAGE plpgsql AS \$\$
		BEGIN
			WHILE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'go_$name') LOOP
				PERFORM pg_sleep(0.02);
			END LOOP;
			INSERT INTO ${name}_seen SELECT (r->'dynamodb'->'Keys'->'id'->>'N')::int
			FROM jsonb_array_elements(event->'Records') r;
		END \$\$;
		SELECT ddbstreams.enable_stream('$name', shard_count => 1)});
	return sql(qq{SELECT ddbstreams.create_event_source_mapping('${name}_handler', ddbstreams.latest_stream_arn('$name'),
		'TRIM_HORIZON')});
}

sub stats
{
	my ($uuid, $columns) = @_;
	return qq{SELECT $columns FROM ddbstreams.mapping_stats WHERE mapping = '$uuid'};
}

sub position
{
	my ($uuid, $columns) = @_;
	return qq{SELECT $columns FROM ddbstreams_shards.mapping_shard
		WHERE mapping_no = (SELECT mapping_no FROM ddbstreams_shards.mapping WHERE uuid = '$uuid')};
}

# Changes the records of the file that has the verdicts: 64 of them, and one for each
# worker, behind 16 bytes.
sub change_verdicts
{
	my ($change) = @_;
	my $path = $node->data_dir . '/pg_stat_tmp/ddbstreams_calls';
	my $content;

	open(my $file, '+<:raw', $path) or die "$path: $!";
	{
		local $/ = undef;
		$content = <$file>;
	}
	my $size = (length($content) - 16) / (64 + $slots);
	is($size, int($size), 'the file of verdicts has its layout');
	my @records = map { substr($content, 16 + $_ * $size, $size) } 0 .. 63;
	$change->(\@records);
	seek($file, 16, 0);
	print $file join('', @records);
	close($file) or die "$path: $!";
	return;
}

# The beginning of a record: it is judged, how, and of which database and mapping
my $JUDGED = 3;
my $GUILTY = 4;
my $begin = 'l l L x4 q';

# --- no room --------------------------------------------------------------------------------

# As when mappings were deleted before they had asked
my $crowded = make('crowded');
$node->stop;
change_verdicts(sub {
	my ($records) = @_;

	substr($records->[$_], 0, 24) = pack($begin, $JUDGED, $GUILTY, 1, $_ + 1) foreach 0 .. 63;
});
$node->start;
sql('INSERT INTO crowded VALUES (1)');
comes_to(stats($crowded, 'state, attempts'), 'delivering|1', 'a first call runs beside many verdicts that nobody has asked for');
is(sql(position($crowded, 'in_call')), 'f', '... which is noted, and not written down');
$node->stop;
$node->start;
comes_to(stats($crowded, 'state, attempts'), 'delivering|1', '... it runs again behind a restart');
is(sql(position($crowded, 'in_call')), 't', '... and what was noted of it was found');
sql('CREATE ROLE go_crowded');
comes_to('SELECT count(*) FROM crowded_seen', '1', '... until it succeeds');

# --- two verdicts on a call -----------------------------------------------------------------

# As when a process has passed one, and was ended before it has struck out its call
foreach my $place ('before', 'behind')
{
	my $twice = make("twice_$place");
	my $mapping_no = sql("SELECT mapping_no FROM ddbstreams_shards.mapping WHERE uuid = '$twice'");

	sql("INSERT INTO twice_$place VALUES (1)");
	comes_to(stats($twice, 'state, attempts'), 'delivering|1', 'a call runs');
	my $victim = sql(stats($twice, 'worker_pid'));
	sql("SELECT ddbstreams.update_event_source_mapping('$twice', enabled => false)");
	kill('KILL', $victim);
	comes_to("SELECT count(*) FROM pg_stat_activity WHERE pid = $victim", '0', '... and crashes the server, when the mapping is disabled');
	$node->stop;
	change_verdicts(sub {
		my ($records) = @_;
		my ($found) = grep {
			my ($state, undef, undef, $mapping) = unpack($begin, $records->[$_]);
			$state == $JUDGED && $mapping == $mapping_no
		} 0 .. 63;
		my $other = $place eq 'before' ? 0 : 63;

		ok(defined $found, 'there is a verdict');
		if ($found == $other)
		{
			$found = 63 - $found;
			$records->[$found] = $records->[$other];
		}
		$records->[$other] = $records->[$found];
		substr($records->[$other], 4, 4) = pack('l', 0);
	});
	$node->start;
	sql("SELECT ddbstreams.update_event_source_mapping('$twice', enabled => true)");
	comes_to(stats($twice, 'state, attempts'), 'delivering|2', "with one $place it that excuses the call, it runs again");
	is(sql(position($twice, 'crashes')), '1', '... and the crash was counted');
	sql("CREATE ROLE go_twice_$place");
	comes_to("SELECT count(*) FROM twice_${place}_seen", '1', '... until it succeeds');
}

$node->stop;
done_testing();
