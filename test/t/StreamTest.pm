# What the TAP tests share: servers with the extension, SQL functions that read
# streams as a client does, and kill -9 for a whole server.

package StreamTest;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);

our @EXPORT = qw(patience new_server create_helpers session send_query
  finish_query kill_server);
our @EXPORT_OK = qw(sql comes_to crc32 create_maintained run_maintenance wait_for_end);

# The server that was made last: sql and comes_to ask it.
my $server;

# How many seconds a test waits for what has to come.  Only a fault uses them up,
# however slow the machine is.
sub patience
{
	return $PostgreSQL::Test::Utils::timeout_default;
}

# Makes a server with further lines for postgresql.conf; starts it.  With
# "streaming" it can have standbys; "extra" are options for initdb.
sub new_server
{
	my ($name, $conf, %params) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	my $patience = patience();

	$node->init(allows_streaming => $params{streaming}, extra => $params{extra});
	$node->append_conf('postgresql.conf', <<CONF);
max_prepared_transactions = 20
autovacuum = off
max_wal_size = 4GB
statement_timeout = ${patience}s
$conf
CONF
	$node->start;
	create_helpers($node) unless $params{bare};
	$server = $node;
	return $node;
}

sub sql
{
	my ($query, $database) = @_;
	return $server->safe_psql($database // 'postgres', $query);
}

# Waits until a query says what is expected, and tells what it says in the end.
# The server may be restarting.
sub comes_to
{
	my ($query, $expected, $name, $database) = @_;
	my $until = time() + patience();
	my $found;

	while (1)
	{
		# psql() dies if psql ends before it has read the query, as it may when
		# the server takes no connections.
		my ($code, $out, $err) = eval { $server->psql($database // 'postgres', $query) };

		$found = defined $code && $code == 0 ? $out : $err // $@;
		last if $found eq $expected || time() > $until;
		usleep(20_000);
	}
	return is($found, $expected, $name);
}

sub create_helpers
{
	my ($node) = @_;

	$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION IF NOT EXISTS ddbstreams;

-- A statement that may write to the tables of ddbstreams
CREATE FUNCTION own_sql(statement text) RETURNS void
	LANGUAGE c STRICT AS 'ddbstreams', 'ddbstreams_run_own_sql';

-- All that can be read now of a table's latest stream, page by page.
CREATE FUNCTION follow(table_name regclass, page int DEFAULT 1000)
	RETURNS TABLE (shard int, at bigint, number text, event text, id text, new json, old json)
	LANGUAGE plpgsql AS $$
DECLARE
	d record;
	r record;
	iterator text;
	found_one bool;
BEGIN
	shard := 0;
	FOR d IN SELECT * FROM ddbstreams.describe_stream(ddbstreams.latest_stream_arn(table_name)) LOOP
		shard := shard + 1;
		at := 0;
		iterator := ddbstreams.get_shard_iterator(ddbstreams.latest_stream_arn(table_name), d.shard_id, 'TRIM_HORIZON');
		LOOP
			found_one := false;
			FOR r IN SELECT * FROM ddbstreams.get_records(iterator, page) LOOP
				found_one := true;
				iterator := r.next_shard_iterator;
				at := at + 1;
				number := r.sequence_number;
				event := r.event_name;
				id := r.keys->'id'->>'N';
				new := r.new_image;
				old := r.old_image;
				RETURN NEXT;
			END LOOP;
			EXIT WHEN NOT found_one OR iterator IS NULL;
		END LOOP;
	END LOOP;
END $$;

-- The same in one line: "I1 M1 R2"
CREATE FUNCTION story(table_name regclass, page int DEFAULT 1000) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(left(event, 1) || id, ' ' ORDER BY shard, at), '') FROM follow(table_name, page) $$;

-- How many records do not have a higher number than the one before in their shard?
CREATE FUNCTION disorder(table_name regclass) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM (SELECT number > lag(number) OVER (PARTITION BY shard ORDER BY at) AS rises FROM follow(table_name)) f
	WHERE NOT rises $$;

-- What comes behind LATEST as this statement sees it
CREATE FUNCTION latest(table_name regclass) RETURNS SETOF text LANGUAGE sql STABLE AS $$
	SELECT ddbstreams.get_shard_iterator(ddbstreams.latest_stream_arn(table_name), d.shard_id, 'LATEST')
	FROM ddbstreams.describe_stream(ddbstreams.latest_stream_arn(table_name)) d $$;
CREATE FUNCTION behind(iterator text) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(left(event_name, 1) || (keys->'id'->>'N'), ' ' ORDER BY sequence_number), '')
	FROM ddbstreams.get_records(iterator) $$;

-- The log tables of a stream
CREATE FUNCTION shards(table_name regclass) RETURNS SETOF regclass LANGUAGE sql AS $$
	SELECT shard_table FROM ddbstreams.describe_stream(ddbstreams.latest_stream_arn(table_name)) $$;
SQL
	return;
}

# A session whose statements may fail.  Each of them has its own time to end in.
sub session
{
	my ($node, $database) = @_;
	my $session = $node->background_psql($database // 'postgres', on_error_stop => 0);

	$session->set_query_timer_restart();
	return $session;
}

# Sends a statement without waiting for its end.
sub send_query
{
	my ($session, $query) = @_;

	$session->query_until(qr/sent/, "\\echo sent\n$query;\n");
	return;
}

# Waits for the end of a statement that was sent, and returns its output.
sub finish_query
{
	my ($session) = @_;
	my $output = $session->query_until(qr/finished/, "\\echo finished\n");

	$output =~ s/\n?finished\n?//;
	$output =~ s/^\n//;
	return $output;
}

# kill -9 for postmaster and all its children.  They are stopped first, so that
# none notices that another has gone and ends in an orderly way.
sub kill_server
{
	my ($node) = @_;
	my $postmaster = slurp_file($node->data_dir . '/postmaster.pid');
	my @pids;

	$postmaster =~ s/\n.*//s;
	kill('STOP', $postmaster);
	# from then on it has no more children
	usleep(10_000) while state_of($postmaster) =~ /[^TZ]/;
	@pids = split(/\s+/, slurp_file("/proc/$postmaster/task/$postmaster/children"));
	kill('STOP', @pids);
	kill('KILL', @pids);
	$node->kill9;
	foreach my $pid ($postmaster, @pids)
	{
		usleep(10_000) while state_of($pid) =~ /[^Z]/;
	}
	# A container's init may be slow to bury the postmaster.
	unlink($node->data_dir . "/postmaster.pid");
	unlink($node->host . "/.s.PGSQL." . $node->port . ".lock");
	return;
}

# Waits until a server has ended by itself.
sub wait_for_end
{
	my ($node) = @_;
	my $until = time() + patience();

	usleep(10_000) while -e $node->data_dir . '/postmaster.pid' && time() < $until;
	ok(!-e $node->data_dir . '/postmaster.pid', 'the server has ended');
	$node->_update_pid(0);
	return;
}

# A process's state, as the kernel writes it: T is stopped, Z dead but not buried;
# empty if there is no such process.
sub state_of
{
	my ($pid) = @_;

	open(my $file, '<', "/proc/$pid/stat") or return '';
	my $line = <$file> // '';
	close($file);
	return $line =~ /.*\) (\w)/ ? $1 : '';
}

# The CRC-32 of a text, bit by bit, by its polynomial: 0xEDB88320 is the usual one,
# 0x82F63B78 the one of pg_control.
sub crc32
{
	my ($polynomial, $text) = @_;
	my $crc = 0xFFFFFFFF;

	foreach my $byte (unpack('C*', $text))
	{
		$crc ^= $byte;
		$crc = $crc & 1 ? ($crc >> 1) ^ $polynomial : $crc >> 1 foreach 1 .. 8;
	}
	return $crc ^ 0xFFFFFFFF;
}

# Waits for a run of maintenance, from beginning to end, that is wanted at once:
# VACUUM FULL, here of table "plain", wants one.
sub run_maintenance
{
	my ($name) = @_;
	my $before = sql('SELECT clock_timestamp()');

	sql('VACUUM FULL plain');
	return comes_to(qq{SELECT last_run > '$before' AND pid IS NULL FROM ddbstreams.workers WHERE worker_type = 'maintenance'}, 't', $name);
}

# Makes a database whose maintenance is busy as long as there is a row in its
# table busy: the predicate of the index is evaluated when it plans a task.  It
# has a stream: without one maintenance rests.
sub create_maintained
{
	my ($database) = @_;

	sql("CREATE DATABASE $database");
	sql(q{
		CREATE EXTENSION ddbstreams;
		CREATE FUNCTION own_sql(statement text) RETURNS void
			LANGUAGE c STRICT AS 'ddbstreams', 'ddbstreams_run_own_sql';
		CREATE TABLE busy ();
		CREATE FUNCTION busy() RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
			IF EXISTS (SELECT FROM public.busy) AND (SELECT backend_type FROM pg_stat_activity
				WHERE pid = pg_backend_pid()) = 'ddbstreams maintenance' THEN
				PERFORM pg_sleep(600);
			END IF;
			RETURN true;
		END $$;
		SELECT own_sql('CREATE INDEX ON ddbstreams_shards.mapping (last_modified) WHERE public.busy()');
		CREATE TABLE maintained (id int PRIMARY KEY);
		SELECT ddbstreams.enable_stream('maintained', shard_count => 1)}, $database);
	return;
}

1;
