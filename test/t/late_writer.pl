# A library that stands before ddbstreams in shared_preload_libraries, and that
# changes rows in a commit callback of its own: they are captured, although the
# transaction's changes have been appended already.
#
# To see it fail: test/mutations/run late-ordinals latest-marks-own.

use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql);

my $dir = $PostgreSQL::Test::Utils::tmp_check;
my $pg_config = $ENV{PG_CONFIG} // 'pg_config';

# A build of the library by itself, with the compiler of the server
mkdir("$dir/late_writer");
system('cp', "$FindBin::RealBin/../library/late_writer.c", "$dir/late_writer");
append_to_file("$dir/late_writer/Makefile", <<MAKE);
MODULES = late_writer
PGXS := \$(shell $pg_config --pgxs)
include \$(PGXS)
MAKE
is(system('make', '-s', '-C', "$dir/late_writer", "PG_CONFIG=$pg_config", 'with_llvm=no',
		defined $ENV{CC} ? "CC=$ENV{CC}" : ()),
	0, 'the library can be built');

my $node = new_server('late', qq{
shared_preload_libraries = '$dir/late_writer/late_writer, ddbstreams'
ddbstreams.maintenance_interval = 1h
});

sub settings
{
	my ($statement, $in_subtransaction) = @_;
	return "SET late_writer.in_subtransaction = $in_subtransaction; "
	  . "BEGIN; SET LOCAL late_writer.statement = '$statement'; ";
}

# A record as "M2 bbb->ccc": the event, the key, and what values begin with
sql(q{
CREATE TABLE t (id int PRIMARY KEY, v text);
ALTER TABLE t ALTER v SET STORAGE EXTERNAL;
SELECT ddbstreams.enable_stream('t', shard_count => 1);
CREATE FUNCTION tale() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('%s%s %s->%s', left(event, 1), id, left(old->'v'->>'S', 3), left(new->'v'->>'S', 3)), ', ' ORDER BY at)
	FROM follow('t') $$;
INSERT INTO t VALUES (1, repeat('a', 9000)), (2, repeat('b', 9000));
});

# Both values go to the side table.
sql(settings(q{UPDATE t SET v = repeat(''x'', 9000) WHERE id = 1}, 'off')
	  . q{UPDATE t SET v = repeat('c', 9000) WHERE id = 2; COMMIT});
is(sql('SELECT tale()'), 'I1 ->aaa, I2 ->bbb, M2 bbb->ccc, M1 aaa->xxx',
	'what is changed after the append is appended too, with its own large values');

sql(settings(q{DELETE FROM t WHERE id = 1}, 'off') . q{COMMIT});
is(sql('SELECT tale()'), 'I1 ->aaa, I2 ->bbb, M2 bbb->ccc, M1 aaa->xxx, R1 xxx->',
	'... if it is all that the transaction changes');

my ($code, $out, $err) = $node->psql('postgres',
	settings(q{DELETE FROM t WHERE id = 2}, 'on') . q{INSERT INTO t VALUES (3, 'd'); COMMIT});
like($err, qr/cannot be changed in a subtransaction while the transaction commits/,
	'in a subtransaction it is refused');
is(sql(q{SELECT string_agg(id::text, ' ') FROM t}), '2', '... and the transaction rolled back');
is(sql('SELECT tale()'), 'I1 ->aaa, I2 ->bbb, M2 bbb->ccc, M1 aaa->xxx, R1 xxx->',
	'... with its records');

# LATEST that is taken in the commit, behind two appends and some pages of another
# transaction between them: the transaction's own records come next.  Its snapshot
# does not have it among those that run.
sql(q{
CREATE TABLE seen (iterator text);
CREATE FUNCTION late() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_advisory_lock(7);
	INSERT INTO t SELECT i, repeat('e', 100) FROM generate_series(20001, 30000) i;
	INSERT INTO seen VALUES (latest('t'));
END $$});
my $other = session($node);
$other->query('SELECT pg_advisory_lock(7)');
my $session = session($node);
$session->query(settings('SELECT late()', 'off')
	  . q{INSERT INTO t SELECT i, repeat('e', 100) FROM generate_series(1001, 11000) i});
send_query($session, 'COMMIT');
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted});
sql(q{INSERT INTO t SELECT i, 'f' FROM generate_series(30001, 32000) i});
$other->query('SELECT pg_advisory_unlock(7)');
finish_query($session);
is(sql(q{SELECT keys->'id'->>'N' FROM ddbstreams.get_records((SELECT iterator FROM seen), 1)}), '1001',
	'LATEST behind the append is before its records');

$node->stop;
done_testing();
