# Values that jsonb cannot hold: they are markers, in pages as in events, and
# keep no mapping from going on, with a filter or without.
#
# With "big" in PG_TEST_EXTRA there are also records that jsonb cannot hold
# although it can hold each of their values, and a value whose text no string
# can hold, which takes 3 GB of memory.
#
# To see it fail: test/mutations/run large-values-shown.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql comes_to);

my $big = ($ENV{PG_TEST_EXTRA} // '') =~ /\bbig\b/;
my $node = new_server('large', q{
shared_buffers = 16MB
statement_timeout = 0
max_worker_processes = 16
ddbstreams.max_workers = 1
});

# An image with its values cut: what they begin with, and how long they are.
sql(q{
CREATE FUNCTION brief(image jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('%s=%s', key, CASE WHEN length(v) < 100 THEN v ELSE length(v)::text END), ' ' ORDER BY key)
	FROM jsonb_each(image) i, coalesce(i.value->>'S', i.value->>'N', i.value->>'B') AS v WHERE v IS NOT NULL $$;
CREATE TABLE t (id int PRIMARY KEY, v text, b bytea, c text);
CREATE TABLE seen (n serial, by text, id int, new text, old text);
CREATE FUNCTION note(by text, event jsonb) RETURNS void LANGUAGE sql AS $$
	INSERT INTO seen (by, id, new, old)
	SELECT by, (d->'Keys'->'id'->>'N')::int, brief(d->'NewImage'), brief(d->'OldImage')
	FROM jsonb_array_elements(event->'Records') r, jsonb(r->'dynamodb') d $$;
CREATE FUNCTION plain(event jsonb) RETURNS void LANGUAGE sql AS $$ SELECT note('plain', event) $$;
CREATE FUNCTION filtered(event jsonb) RETURNS void LANGUAGE sql AS $$ SELECT note('filtered', event) $$;
SELECT ddbstreams.enable_stream('t', shard_count => 1);
SELECT ddbstreams.create_event_source_mapping('plain', arn, 'TRIM_HORIZON'),
	ddbstreams.create_event_source_mapping('filtered', arn, 'TRIM_HORIZON',
		filter_criteria => '{"Filters": [{"Pattern": "{\"dynamodb\": {\"NewImage\": {\"c\": {\"S\": [\"yes\"]}}}}"}]}')
FROM ddbstreams.latest_stream_arn('t') arn;
});

# 270 MB of text; base64 makes 273 MB of 205 MB.
my @statements = (
	q{INSERT INTO t (id, v, c) VALUES (1, 'short', 'yes')},
	q{INSERT INTO t (id, v, c) VALUES (2, repeat('x', 270 * 1000 * 1000), 'yes')},
	q{INSERT INTO t (id, b, c) VALUES (3, convert_to(repeat('x', 205 * 1000 * 1000), 'utf8'), 'yes')},
	q{INSERT INTO t (id, v, c) VALUES (4, repeat('x', 90 * 1000 * 1000), 'no')},
	q{INSERT INTO t (id, v, c) VALUES (5, repeat('"', 140 * 1000 * 1000), 'yes')});
my @new = ('c=yes id=1 v=short', 'c=yes id=2 v=MARKER', 'b=MARKER c=yes id=3', 'c=no id=4 v=90000000', 'c=yes id=5 v=MARKER');
my @old = ('') x 5;

if ($big)
{
	push @statements,
	  q{ALTER TABLE t ADD d text, ADD e text},
	  q{INSERT INTO t (id, v, d, e, c) SELECT 6, x, x, x, 'yes' FROM repeat('x', 100 * 1000 * 1000) x},
	  q{UPDATE t SET b = '' WHERE id = 6};
	push @new, 'c=yes d=100000000 e=MARKER id=6 v=100000000', 'b= c=yes d=100000000 e=MARKER id=6 v=100000000';
	push @old, '', 'c=yes d=MARKER e=MARKER id=6 v=MARKER';
}

sub with_markers
{
	my ($text) = @_;
	$text =~ s/<ddbstreams: [a-z0-9 ]*too large[a-z ]*>/MARKER/g;
	return $text;
}

sub expected
{
	my (@numbers) = @_;
	return join("\n", map { "$new[$_]|$old[$_]" } @numbers);
}

sql($_) foreach @statements;
my $last = $big ? 6 : 5;
my @all = (0 .. $#new);
foreach my $by ('plain', 'filtered')
{
	my @wanted = grep { $by eq 'plain' || $new[$_] =~ /c=yes/ } @all;

	comes_to("SELECT count(*) FROM seen WHERE by = '$by'", scalar(@wanted), "all records are delivered: $by");
	is(with_markers(sql("SELECT new, old FROM seen WHERE by = '$by' ORDER BY n")), expected(@wanted),
		'... with markers for values that are too large');
}
is(sql(q{SELECT sum(batches_failed), count(last_error) FROM ddbstreams.mapping_stats}), '0|0', '... and none has failed');

# Pages have the same, one record at a time.
sql(q{
CREATE TABLE pages (n serial, id text, new text, old text);
CREATE PROCEDURE read_all() LANGUAGE plpgsql AS $$
DECLARE
	iterator text := ddbstreams.get_shard_iterator(arn, (SELECT shard_id FROM ddbstreams.describe_stream(arn)), 'TRIM_HORIZON')
		FROM ddbstreams.latest_stream_arn('t') arn;
	r record;
BEGIN
	LOOP
		SELECT * INTO r FROM ddbstreams.get_records(iterator, 1);
		EXIT WHEN NOT FOUND;
		INSERT INTO pages (id, new, old) VALUES (r.new_image->'id'->>'N', brief(r.new_image::jsonb), brief(r.old_image::jsonb));
		COMMIT;
		iterator := r.next_shard_iterator;
	END LOOP;
END $$;
CALL read_all()});
is(with_markers(sql('SELECT new, old FROM pages ORDER BY n')), expected(@all), 'pages have the same');
is(sql('SELECT string_agg(DISTINCT id, $$ $$ ORDER BY id) FROM pages'), join(' ', 1 .. $last), '... and all that is in an image can be had');
is(sql(q{SELECT count(*), max(length((new_image).v)), max(length((new_image).b)) FROM ddbstreams.changes(null::t)
	WHERE (new_image).id < 4}), '3|270000000|205000000', 'changes() has the values');

# Quotes are doubled at each level: the text would have 1.28 GB.
if ($big)
{
	sql(q{
CREATE TYPE a AS (t text);
CREATE TYPE b AS (a a);
CREATE TYPE c AS (b b);
CREATE TYPE d AS (c c);
CREATE TYPE e AS (d d);
CREATE TABLE nested (id int PRIMARY KEY, v e);
SELECT ddbstreams.enable_stream('nested', shard_count => 1);
INSERT INTO nested SELECT id, row(row(row(row(row(repeat('"', length))))))::e FROM (VALUES (1, 40 * 1000 * 1000), (2, 2)) v (id, length)});
	is(with_markers(sql(q{SELECT string_agg(new->>'v', ' ' ORDER BY at) FROM follow('nested')})),
		'{"S":"MARKER"} {"M":{"d":{"M":{"c":{"M":{"b":{"M":{"a":{"M":{"t":{"S":"\\"\\""}}}}}}}}}}}',
		'a value whose text would be too long does not keep a row from being written');
}

$node->stop;
done_testing();
