#!/usr/bin/perl
#
# Reads all changes of table items through one psql, page by page, as a client
# would, and prints how many there were.
#
#   read.pl rows  ddbstreams, get_records: 1,000 rows for a page
#   read.pl poll  ddbstreams, poll and checkpoint, one worker: a transaction for
#                 each 1,000 records
#   read.pl pgq   PgQ, batch by batch

use strict;
use warnings;
use IO::Handle;
use IPC::Open2;

my $mode = shift // '';
my $pid = open2(my $out, my $in, 'psql', '-X', '-q', '-A', '-t',
	'-v', 'ON_ERROR_STOP=1');
my $mark = '--- end of answer';

# The lines that a query answers.
sub ask
{
	my ($query) = @_;
	my @lines;

	print $in "$query;\nselect '$mark';\n";
	$in->flush;
	while (my $line = <$out>)
	{
		return @lines if $line eq "$mark\n";
		push @lines, $line;
	}
	die "psql has ended\n";
}

sub ask_one
{
	my ($answer) = ask(@_);
	chomp $answer if defined $answer;
	return $answer;
}

sub shard_iterators
{
	my $arn = ask_one("select ddbstreams.latest_stream_arn('items')");

	return map { chomp; $_ } ask(
		"select ddbstreams.get_shard_iterator('$arn', shard_id, 'TRIM_HORIZON')
		 from ddbstreams.describe_stream('$arn')");
}

my $count = 0;
if ($mode eq 'rows')
{
	foreach my $iterator (shard_iterators())
	{
		while (my @rows = ask("select next_shard_iterator, sequence_number, keys, new_image, old_image
			from ddbstreams.get_records('$iterator')"))
		{
			$count += @rows;
			($iterator) = $rows[-1] =~ /^([^|]*\|[^|]*\|[^|]*)\|/;
		}
	}
}
elsif ($mode eq 'poll')
{
	ask("select ddbstreams.create_consumer('client', ddbstreams.latest_stream_arn('items'),
		'TRIM_HORIZON')");
	for (;;)
	{
		my %last;

		ask("begin");
		my @rows = ask("select shard_id, sequence_number, keys, new_image, old_image
			from ddbstreams.poll('client', 'worker', 1000)");
		/^([^|]*)\|([^|]*)\|/ and $last{$1} = $2 foreach @rows;
		ask("select " . join(', ', map {
			"ddbstreams.checkpoint('client', 'worker', '$_', '$last{$_}')" } sort keys %last))
		  if %last;
		ask("commit");
		last if !@rows;
		$count += @rows;
	}
	ask("select ddbstreams.drop_consumer('client')");
}
elsif ($mode eq 'pgq')
{
	ask("select pgq.force_tick('items')");
	ask("select pgq.ticker('items')");
	while (my $batch = ask_one("select pgq.next_batch('items', 'reader')"))
	{
		$count += ask("select * from pgq.get_batch_events($batch)");
		ask("select pgq.finish_batch($batch)");
	}
}
else
{
	die "usage: $0 rows|poll|pgq\n";
}
print "$count\n";
close $in;
waitpid $pid, 0;
exit($? == 0 ? 0 : 1);
