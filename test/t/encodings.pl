# Databases in other encodings than UTF-8: the extension can be created there,
# and names and values outside of ASCII come through streams as they are.
#
# To see it fail: write a character outside of ASCII in the install script;
# EUC_JP has no ellipsis of three bytes.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use StreamTest;
use Test::More;

my $node = new_server('encodings', '', bare => 1);

# A database's encoding, and a name that can be written in it, in UTF-8
my @encodings = ([ 'EUC_JP', '表' ], [ 'LATIN1', 'é' ], [ 'SQL_ASCII', 'é' ], [ 'UTF8', '😀' ]);

foreach my $case (@encodings)
{
	my ($encoding, $name) = @$case;
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
}

done_testing();
