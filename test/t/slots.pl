# Few worker slots: max_worker_processes is PostgreSQL's default.
#
# To see it fail: test/mutations/run mailbox-entries-leak
# slots-dispatchers-stay slots-nobody-gives-way.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);
use StreamTest;

my $node = new_server('slots', q{
max_worker_processes = 8
max_logical_replication_workers = 0
ddbstreams.maintenance_interval = 500ms
ddbstreams.max_workers = 8
}, bare => 1);

sub sql
{
	my ($database, $query) = @_;
	return $node->safe_psql($database, $query);
}

# Waits until a query says what is expected; nothing goes on if it never does.
sub comes_to
{
	my ($database, $query, $expected, $name) = @_;
	my $until = time() + patience();
	my $found;

	while (1)
	{
		$found = sql($database, $query);
		last if $found eq $expected || time() > $until;
		usleep(20_000);
	}
	is($found, $expected, $name) or BAIL_OUT($name);
	return;
}

# A database with mappings, each of a role and a table of its own, t1, t2, ...
# Their handler notes each call; a handler that is busy writes the next record.
sub create_database
{
	my ($database, $mappings, $busy) = @_;
	my $more = $busy ? q{EXECUTE format('INSERT INTO public.%I DEFAULT VALUES', current_user);} : '';

	sql('postgres', "CREATE DATABASE $database");
	sql($database, qq{
		CREATE EXTENSION ddbstreams;
		CREATE TABLE seen (by name DEFAULT current_user, at timestamptz DEFAULT clock_timestamp());
		GRANT ALL ON seen TO public;
		GRANT ALL ON SCHEMA public TO public;
		CREATE FUNCTION handler(event jsonb) RETURNS void LANGUAGE plpgsql AS
			\$\$BEGIN INSERT INTO public.seen DEFAULT VALUES; $more END\$\$});
	foreach my $i (1 .. $mappings)
	{
		sql('postgres', "CREATE ROLE t$i LOGIN") if sql('postgres', "SELECT to_regrole('t$i') IS NULL") eq 't';
		sql($database, qq{
			SET ROLE t$i;
			CREATE TABLE t$i (id serial PRIMARY KEY);
			SELECT ddbstreams.enable_stream('t$i', shard_count => 1);
			SELECT ddbstreams.create_event_source_mapping('handler', ddbstreams.latest_stream_arn('t$i'), 'TRIM_HORIZON',
				batch_size => 1)});
	}
	return;
}

sub insert_into
{
	my ($database, $mappings) = @_;

	sql($database, join('; ', map { "INSERT INTO t$_ DEFAULT VALUES" } 1 .. $mappings));
	return;
}

sub count_workers
{
	my ($condition) = @_;
	return "SELECT count(*) FROM ddbstreams.workers WHERE $condition";
}

# Has the maintenance of a database run, from beginning to end, from now on?
sub maintained
{
	my ($database, $name) = @_;
	my $runs = q{SELECT last_run FROM ddbstreams.workers
		WHERE worker_type = 'maintenance' AND database = current_database()};

	foreach (1 .. 2)
	{
		my $before = sql($database, 'SELECT clock_timestamp()');
		comes_to($database, "SELECT coalesce(($runs) > '$before', false)", 't', $name);
	}
	return;
}

# --- databases come and go --------------------------------------------------------

foreach my $i (1 .. 10)
{
	create_database("d$i", 1, 0);
	insert_into("d$i", 1);
	comes_to("d$i", 'SELECT count(*) FROM seen', '1', "database $i has its delivery");
	sql('postgres', "DROP DATABASE d$i");
}

# --- idle workers give way --------------------------------------------------------

# One worker of each role is kept, so that idle ones of one database would keep
# all slots: seven are left to the launcher's.
create_database('idle', 6, 0);
insert_into('idle', 6);
comes_to('idle', 'SELECT count(*) FROM seen', '6', 'a database has a delivery for each of six roles');
maintained('idle', '... and is maintained, though idle workers could have all slots');
create_database('late', 1, 0);
insert_into('late', 1);
comes_to('late', 'SELECT count(*) FROM seen', '1', 'another database has its delivery then');
maintained('late', '... and is maintained');

# --- busy workers give way --------------------------------------------------------

create_database('busy', 6, 1);
insert_into('busy', 6);
comes_to('busy', 'SELECT count(DISTINCT by) FROM seen', '6', 'six roles whose handlers are always busy have deliveries');
insert_into('late', 1);
comes_to('late', 'SELECT count(*) FROM seen', '2', '... another database has its delivery beside them');
maintained($_, "... and database $_ is maintained") foreach qw(busy late idle);
comes_to('busy', count_workers(q{worker_type = 'handler' AND state = 'waiting for a worker slot'}) . ' AND pid IS NULL',
	'1', 'the view says that a handler worker waits for a slot');

# --- dispatchers give way ---------------------------------------------------------

create_database("e$_", 1, 0) foreach 1 .. 6;
insert_into("e$_", 1) foreach 1 .. 6;
comes_to("e$_", 'SELECT count(*) FROM seen', '1', "one of nine databases has its delivery, e$_") foreach 1 .. 6;
maintained($_, "... and database $_ is maintained") foreach qw(busy e1 e6);

my $log = slurp_file($node->logfile);
is(() = $log =~ /WARNING:  ddbstreams could not start a worker: no free worker slot/g, 1, 'there is one warning');
like($log, qr/HINT:  Increase max_worker_processes, which is 8, to \d\d or more\./, '... which says how many are enough');

$node->stop;
done_testing();
