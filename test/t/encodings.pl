# Databases in other encodings than UTF-8: the extension can be created there,
# and names and values outside of ASCII come through streams as they are.
#
# An escape in a json value that the encoding lacks makes the value a text, since
# neither jsonb nor the operators of json can read it.
#
# To see it fail: test/mutations/run identity-unverified identity-unverified-of-client
# json-escapes-unchecked message-not-ascii name-size-in-server-encoding
# script-not-ascii.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use StreamTest;
use Test::More;

my $node = new_server('encodings', '', bare => 1);

# A database's encoding; a name that can be written in it, in UTF-8; and which of
# the escapes \u00e9, \u20ac, and \ud83d\ude00 stand for a character in it
my @encodings = (
	[ 'EUC_JP', '表', 't|f|f' ],
	[ 'LATIN1', 'é', 't|f|f' ],
	[ 'SQL_ASCII', 'é', 'f|f|f' ],
	[ 'UTF8', '😀', 't|t|t' ]);

foreach my $case (@encodings)
{
	my ($encoding, $name, $escapes) = @$case;
	my $database = lc "db_$encoding";
	my $client = $encoding eq 'SQL_ASCII' ? 'SQL_ASCII' : 'UTF8';
	my ($status, $stdout, $stderr);

	$node->safe_psql('postgres',
		"CREATE DATABASE $database ENCODING '$encoding' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
	$status = $node->psql(
		$database, <<SQL, stdout => \$stdout, stderr => \$stderr, on_error_stop => 1);
SET client_encoding = '$client';
CREATE EXTENSION ddbstreams;
CREATE TABLE "$name" (id int PRIMARY KEY, "v$name" text);
SELECT ddbstreams.enable_stream('"$name"', shard_count => 1) AS arn \\gset
INSERT INTO "$name" VALUES (1, '$name');
SELECT r.new_image FROM ddbstreams.describe_stream(:'arn') AS d,
	ddbstreams.get_records(ddbstreams.get_shard_iterator(:'arn', d.shard_id, 'TRIM_HORIZON')) AS r;
SELECT new_image FROM ddbstreams.changes(null::"$name");
SQL
	is($status, 0, "$encoding: the extension and a stream are there") or diag($stderr);
	is($stdout, qq({"id":{"N":"1"},"v$name":{"S":"$name"}}\n(1,$name)), "$encoding: a record");

	$status = $node->psql(
		$database, <<SQL, stdout => \$stdout, stderr => \$stderr, on_error_stop => 1);
SET client_encoding = '$client';
SELECT size_bytes FROM ddbstreams.describe_stream(ddbstreams.latest_stream_arn('"$name"')) AS d,
	ddbstreams.get_records(ddbstreams.get_shard_iterator(ddbstreams.latest_stream_arn('"$name"'), d.shard_id, 'TRIM_HORIZON')) AS r;
CREATE TABLE escapes (id int PRIMARY KEY, j json);
SELECT ddbstreams.enable_stream('escapes', shard_count => 1) AS arn \\gset
INSERT INTO escapes VALUES (1, '{"a":"\\u00e9"}'), (2, '{"a":"\\u20ac"}'), (3, '{"a":"\\ud83d\\ude00"}'), (4, '{"a":"\\u0041"}');
CREATE TEMP TABLE read AS SELECT r.new_image FROM ddbstreams.describe_stream(:'arn') AS d,
	ddbstreams.get_records(ddbstreams.get_shard_iterator(:'arn', d.shard_id, 'TRIM_HORIZON')) AS r;
SELECT string_agg(new_image->'id'->>'N', ' ') FROM read;
SELECT string_agg((new_image::jsonb->'j' ? 'M')::text, ' ' ORDER BY (new_image->'id'->>'N')) FROM read;
SELECT new_image->'j' FROM read WHERE new_image->'id'->>'N' = '3';
SQL
	is($status, 0, "$encoding: all can be read as jsonb, and by its operators") or diag($stderr);
	my $shown = $escapes =~ /t$/ ? '{"M":{"a":{"S":"\\ud83d\\ude00"}}}' : '{"S":"{\\"a\\":\\"\\\\ud83d\\\\ude00\\"}"}';
	my $are_maps = join ' ', map { $_ eq 't' ? 'true' : 'false' } split(/\|/, $escapes), 't';
	is($stdout, join("\n", 9 + 2 * length($name), '1 2 3 4', $are_maps, $shown), "$encoding: sizes in UTF-8, escapes");

	# a hint that the client's encoding lacked would be an error of its own
	$node->psql($database, <<SQL, stderr => \$stderr);
SET client_encoding = '$client';
CREATE TABLE keyless (id int);
\\set VERBOSITY verbose
SELECT ddbstreams.enable_stream('keyless');
SQL
	like($stderr, qr/ERROR:  42809: .*\nHINT:  Run ALTER TABLE \.\.\. ADD PRIMARY KEY first\.$/m, "$encoding: an error");
}

# --- an identity that is no text in the database's encoding --------------------------

{
	local $ENV{PGOPTIONS} = "-c ddbstreams.user_identity=User:\xff";
	my ($status, $stdout, $stderr);

	$status = $node->psql('db_latin1', 'SELECT 1', stdout => \$stdout, stderr => \$stderr);
	is($status, 0, 'a client sends an identity when it connects');
	$status = $node->psql('db_utf8', 'SELECT 1', stdout => \$stdout, stderr => \$stderr);
	isnt($status, 0, '... which is refused where it is no text');
	like($stderr, qr/invalid value for parameter "ddbstreams.user_identity"/, '... by name');
}
$node->safe_psql('db_latin1', q{SET client_encoding = 'UTF8'; ALTER SYSTEM SET ddbstreams.user_identity = 'User:é'});
$node->restart;
foreach my $case ([ 'db_latin1', 'é' ], [ 'db_utf8', '(none)' ])
{
	my ($database, $identity) = @$case;

	is($node->safe_psql($database, q{
		SET client_encoding = 'UTF8';
		INSERT INTO escapes (id) VALUES (5);
		SELECT coalesce(user_identity ->> 'principalId', '(none)')
			FROM ddbstreams.newest_records(ddbstreams.latest_stream_arn('escapes'), 1)}), $identity,
		"$database: an identity of postgresql.conf is captured if it is a text");
}

done_testing();
