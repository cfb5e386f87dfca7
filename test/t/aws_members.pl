# docs/aws-api.md says what aws() does with each member of a request, and which
# members its answers have.  Whether the page has all of AWS's members is what
# test/aws-members finds out.
#
# To see it fail: test/mutations/run aws-member-ignored aws-member-unlisted.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use JSON::PP;
use PostgreSQL::Test::Utils;
use StreamTest qw(:DEFAULT sql);
use Test::More;

my $page = slurp_file("$FindBin::RealBin/../../docs/aws-api.md");
my $json = JSON::PP->new->canonical->allow_nonref->ascii;
my $node = new_server('aws_members', '');

# --- the page ------------------------------------------------------------------

my (%operations, $operation, $table);
foreach my $line (split /\n/, $page)
{
	if ($line =~ /^### (\w+)$/) { $operation = $operations{$1} = { request => {}, answer => {} }; }
	elsif ($line =~ /^The answer is that of (\w+)/) { $operation->{same} = $1; }
	elsif ($line =~ /^\| (request|answer) \|/) { $table = $operation->{$1}; }
	elsif ($operation && $line =~ /^\| (`.*?) \| (.*) \|$/)
	{
		my ($members, $text) = ($1, $2);
		$table->{$_} = $text foreach $members =~ /`([\w.]+)`/g;
	}
	elsif ($line =~ /^## Errors/) { last; }
}
is(scalar(keys %operations), 15, 'the page has 15 operations');

# --- what requests are about ---------------------------------------------------------

sql(q{
	CREATE TABLE orders (id int PRIMARY KEY, v int);
	CREATE TABLE other (id int PRIMARY KEY);
	CREATE FUNCTION handle(event jsonb) RETURNS void LANGUAGE sql AS '';
	CREATE FUNCTION mapped(event jsonb) RETURNS void LANGUAGE sql AS '';
	SELECT ddbstreams.enable_stream('orders', shard_count => 1), ddbstreams.enable_stream('other', shard_count => 2);
	SET ddbstreams.user_identity = 'User:ada';
	INSERT INTO orders VALUES (1, 1), (2, 1);
	UPDATE orders SET v = 2;

	-- AWS's name of the error of a call, or ok; nothing is left of the call
	CREATE FUNCTION outcome(operation text, request json) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		name text;
	BEGIN
		PERFORM ddbstreams.aws(operation, request);
		RAISE 'ok' USING ERRCODE = 'ZZ000', CONSTRAINT = 'ok';
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS name = CONSTRAINT_NAME;
		RETURN name;
	END $$});
sql(q{SELECT ddbstreams.roll_over(ddbstreams.latest_stream_arn('orders'))});

sub aws
{
	my ($name, $request) = @_;
	my $text = $json->encode($request) =~ s/'/''/gr;
	return $json->decode(sql("SELECT ddbstreams.aws('$name', '$text')"));
}

my $arn = sql(q{SELECT ddbstreams.latest_stream_arn('orders')});
my ($shard) = split /\n/, sql(q{SELECT shard_id FROM ddbstreams.describe_stream(ddbstreams.latest_stream_arn('orders'))});
my $iterator = aws('GetShardIterator', { StreamArn => $arn, ShardId => $shard, ShardIteratorType => 'TRIM_HORIZON' })->{ShardIterator};
my %create = (FunctionName => 'mapped', EventSourceArn => $arn, StartingPosition => 'LATEST');
my $mapping = aws('CreateEventSourceMapping',
	{ %create, Enabled => JSON::PP::false,
		FilterCriteria => { Filters => [ { Pattern => '{"eventName": ["INSERT"]}' } ] },
		DestinationConfig => { OnFailure => { Destination => 'handle' } },
		MetricsConfig => { Metrics => ['EventCount'] }, Tags => { a => 'b' } });

# A request of each operation that succeeds
my %requests = (
	ListStreams => {},
	DescribeStream => { StreamArn => $arn },
	GetShardIterator => { StreamArn => $arn, ShardId => $shard, ShardIteratorType => 'LATEST' },
	GetRecords => { ShardIterator => $iterator },
	DescribeTable => { TableName => 'orders' },
	ListTables => {},
	UpdateTable => { TableName => 'orders', StreamSpecification => { StreamEnabled => JSON::PP::false } },
	CreateEventSourceMapping => { %create, FunctionName => 'handle' },
	GetEventSourceMapping => { UUID => $mapping->{UUID} },
	ListEventSourceMappings => {},
	UpdateEventSourceMapping => { UUID => $mapping->{UUID} },
	DeleteEventSourceMapping => { UUID => $mapping->{UUID} },
	ListTags => { Resource => $mapping->{EventSourceMappingArn} },
	TagResource => { Resource => $mapping->{EventSourceMappingArn}, Tags => {} },
	UntagResource => { Resource => $mapping->{EventSourceMappingArn}, TagKeys => [] });

# --- requests ------------------------------------------------------------------------

# Returns a copy of a request with a value at a path of members.
sub with_member
{
	my ($request, $path, $value) = @_;
	my $copy = $json->decode($json->encode($request));
	my @steps = split /\./, $path;
	my $at = $copy;

	while (@steps > 1)
	{
		my $step = shift @steps;

		$at->{$step} = $step eq 'Filters' ? [ {} ] : {} unless ref $at->{$step};
		$at = $at->{$step};
		$at = $at->[0] if ref $at eq 'ARRAY';
	}
	$at->{ $steps[0] } = $value;
	return $json->encode($copy);
}

my @calls;
foreach my $name (sort keys %operations)
{
	push @calls, [ $name, '', 'ok', $json->encode($requests{$name}) ],
	  [ $name, 'Unknown', 'ok', with_member($requests{$name}, 'Unknown', [1]) ];
	foreach my $member (sort keys %{ $operations{$name}{request} })
	{
		my ($what) = $operations{$name}{request}{$member} =~ /^(used|kept|refused|ignored)/;

		push @calls, map { [ $name, $member, $what // 'nothing', with_member($requests{$name}, $member, $_) ] }
		  $what eq 'refused' ? ({}) : (JSON::PP::true, [ [] ]);
	}
}
my @outcomes = split /\n/, sql('SELECT outcome(operation, request::json) FROM (VALUES '
	  . join(', ', map { "($_, '$calls[$_][0]', '" . ($calls[$_][3] =~ s/'/''/gr) . "')" } 0 .. $#calls)
	  . ') AS c(n, operation, request) ORDER BY n');
my (%seen, @faults);
foreach my $i (0 .. $#calls)
{
	my ($name, $member, $what) = @{ $calls[$i] };

	push @{ $seen{"$name $member"}{outcomes} }, $outcomes[$i];
	$seen{"$name $member"}{what} = $what;
}
foreach my $key (sort keys %seen)
{
	my ($what, @of) = ($seen{$key}{what}, @{ $seen{$key}{outcomes} });
	# A value of the wrong type shows that a member is looked at.
	my $right = $what eq 'refused' ? $of[0] =~ /^(Validation|InvalidParameterValue)Exception$/
	  : $what =~ /used|kept/ ? grep { $_ ne 'ok' } @of
	  : !grep { $_ ne 'ok' } @of;

	push @faults, "$key: $what, but @of" unless $right;
}
cmp_ok(scalar(keys %seen), '>', 120, 'the page has the members of requests');
is(join("\n", @faults), '', 'aws() does with each member what the page says');

# --- answers --------------------------------------------------------------------------

# Notes the paths of the members of an answer that are on the page, or whose
# parent is no map.
my %maps = map { $_ => 1 } qw(Records.dynamodb.Keys Records.dynamodb.NewImage Records.dynamodb.OldImage Tags TableDescription EventSourceMappings);
sub note_members
{
	my ($value, $path, $found) = @_;

	if (ref $value eq 'ARRAY') { note_members($_, $path, $found) foreach @$value; }
	elsif (ref $value eq 'HASH' && !$maps{$path})
	{
		foreach my $name (keys %$value)
		{
			my $member = $path eq '' ? $name : "$path.$name";

			$found->{$member} = 1;
			note_members($value->{$name}, $member, $found);
		}
	}
	return;
}

my %samples = (
	ListStreams => [ { Limit => 1 } ],
	DescribeStream => [ { StreamArn => $arn }, { StreamArn => $arn, Limit => 1 } ],
	GetShardIterator => [ $requests{GetShardIterator} ],
	GetRecords => [ { ShardIterator => $iterator, Limit => 3 } ],
	DescribeTable => [ { TableName => 'orders' } ],
	ListTables => [ { Limit => 1 } ],
	UpdateTable => [ { TableName => 'other', StreamSpecification => { StreamEnabled => JSON::PP::false } } ],
	CreateEventSourceMapping => [],
	GetEventSourceMapping => [ $requests{GetEventSourceMapping} ],
	ListEventSourceMappings => [ { MaxItems => 1 } ],
	UpdateEventSourceMapping => [ $requests{UpdateEventSourceMapping} ],
	ListTags => [ $requests{ListTags} ],
	TagResource => [ $requests{TagResource} ],
	UntagResource => [ $requests{UntagResource} ],
	DeleteEventSourceMapping => [ $requests{DeleteEventSourceMapping} ]);
aws('CreateEventSourceMapping', { %create, FunctionName => 'handle' });
@faults = ();
foreach my $name (sort { ($a =~ /^Delete/) <=> ($b =~ /^Delete/) || $a cmp $b } keys %operations)
{
	my $listed = $operations{ $operations{$name}{same} // $name }{answer};
	my %found;

	note_members($mapping, '', \%found) if $name eq 'CreateEventSourceMapping';
	note_members(aws($name, $_), '', \%found) foreach @{ $samples{$name} };
	push @faults, map { "$name: $_ is not on the page, or never given" } grep { ($listed->{$_} // '') !~ /^given/ } sort keys %found;
	push @faults, map { "$name: $_ is not in the answer" } grep { $listed->{$_} =~ /^given/ && !$found{$_} } sort keys %$listed;
}
is(join("\n", @faults), '', 'its answers have the members that the page says');

$node->stop;
done_testing();
