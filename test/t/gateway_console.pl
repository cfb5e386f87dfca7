# GET /console: the page's headers; who is let in, and who is not; that each role
# sees what it may; what the statements answer; redriving a failed batch.  What the
# page does in a browser is seen by test/console.
#
# To see it fail: test/mutations/run console-*.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use GatewayTest;
use JSON::PP;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StreamTest;
use Test::More;
use Time::HiRes qw(time);

plan skip_all => 'ddbstreams-gateway is not built' unless gateway_program();

my $node = new_server('console', '');
my $dir = $PostgreSQL::Test::Utils::tmp_check;
my $json = JSON::PP->new->utf8;

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE keeper LOGIN PASSWORD 'keeper:ß';
CREATE ROLE clerk LOGIN PASSWORD 'clerk';
CREATE ROLE stranger LOGIN PASSWORD 'stranger';
CREATE ROLE trusted LOGIN PASSWORD 'trusted';
CREATE ROLE gone NOLOGIN PASSWORD 'gone';
GRANT CREATE ON SCHEMA public TO keeper;
SET ROLE keeper;
CREATE TABLE orders (id int PRIMARY KEY, status text, price numeric);
CREATE TABLE secret (id int PRIMARY KEY, t text);
GRANT SELECT ON orders TO clerk;
SELECT ddbstreams.enable_stream('orders', shard_count => 2);
SELECT ddbstreams.enable_stream('secret', shard_count => 1);
SELECT ddbstreams.create_consumer('audit', ddbstreams.latest_stream_arn('orders'));
CREATE TABLE mended (x int);
CREATE FUNCTION ship(event jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM mended) THEN
		RAISE EXCEPTION 'no "ship" today';
	END IF;
END $$;
SELECT ddbstreams.create_event_source_mapping('ship', ddbstreams.latest_stream_arn('orders'), 'TRIM_HORIZON',
	maximum_retry_attempts => 0);
INSERT INTO orders VALUES (1, 'new', 1.50);
UPDATE orders SET status = 'paid "</script>' WHERE id = 1;
INSERT INTO orders SELECT i, repeat('x', 70000), 0 FROM generate_series(2, 6) i;
SQL
$node->poll_query_until('postgres', 'SELECT sum(lag_records) = 0 AND sum(batches_failed) > 0 FROM ddbstreams.mapping_stats')
  or die 'the mapping has not given up';
my $arn = $node->safe_psql('postgres', q{SELECT ddbstreams.latest_stream_arn('orders')});
my $secret_arn = $node->safe_psql('postgres', q{SELECT ddbstreams.latest_stream_arn('secret')});

open(my $hba, '>', $node->data_dir . '/pg_hba.conf');
print $hba "local all trusted trust\nlocal all keeper,clerk,stranger,gone scram-sha-256\nlocal all all trust\n";
close($hba);
$node->reload;

my $keys = write_file("$dir/keys", "AKTEST test/secret+key keeper\n");
my $gateway = start_gateway($node, '--keys', $keys);

sub get
{
	my ($path, %params) = @_;
	my %headers = %{ $params{headers} // {} };

	$headers{'Authorization'} = 'Basic ' . encode_base64($params{as}, '') if defined $params{as};
	return call($params{gateway} // $gateway, $params{method} // 'GET', "/console$path", no_sign => 1,
		body => $params{body}, headers => \%headers);
}

# The members of an answer
sub data
{
	my ($name, $as, %query) = @_;
	my $query = join('&', map { my $v = $query{$_}; $v =~ s/([^A-Za-z0-9])/sprintf('%%%02X', ord($1))/ge; "$_=$v" } sort keys %query);

	return get("/data/$name?$query", as => $as);
}

my $keeper = "keeper:keeper:\xc3\x9f";
my $clerk = 'clerk:clerk';

# --- the page ------------------------------------------------------------------

foreach ([ '', 'text/html' ], [ '/', 'text/html' ], [ '/console.css', 'text/css' ], [ '/console.js', 'text/javascript' ],
	[ '/views.js', 'text/javascript' ])
{
	my ($path, $type) = @$_;
	my $answer = get($path);
	my $policy = $answer->{headers}{'content-security-policy'};

	is("$answer->{status} $answer->{headers}{'content-type'}", "200 $type; charset=utf-8", "$path is there");
	is($answer->{headers}{'content-length'}, length($answer->{body}), "$path is whole");
	like($policy, qr/^default-src 'none'; .*frame-ancestors 'none'; base-uri 'none'; form-action 'none'$/, "$path: policy");
	unlike($policy, qr/unsafe|http|\*/, "$path: policy without holes");
	is($answer->{headers}{$_}, 'nosniff', "$path: $_") foreach ('x-content-type-options');
	ok(!exists $answer->{headers}{'access-control-allow-origin'}, "$path is not for other sites");
	unlike($answer->{body}, qr{https?://(?!www\.w3\.org/2000/svg)}, "$path needs nothing from outside");
	unlike($answer->{body}, qr/innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(/, "$path makes no markup of data");
}
unlike(get('')->{body}, qr/<style|style=|<script(?![^>]*src=)|\son\w+=/, 'nothing stands inline');
is(get($_)->{status}, 404, "there is no $_") foreach ('/streams.sql', '/nothing', '/../console.js', '/data', '/data/', '/data/nothing', '/data/redrive');
is(get($_->[1], method => $_->[0])->{status}, 405, "$_->[0] $_->[1]")
  foreach ([ 'POST', '' ], [ 'PUT', '/console.js' ], [ 'POST', '/data/streams' ], [ 'GET', '/redrive' ], [ 'DELETE', '/redrive' ]);

# --- who is let in -------------------------------------------------------------

my $answer = get('/data/whoami');
is($answer->{status}, 401, 'nobody');
like($answer->{headers}{'www-authenticate'}, qr/^Basic realm=/, 'nobody: how to sign in');
is($answer->{headers}{'cache-control'}, 'no-store', 'nobody: not kept');
is(data('whoami', $keeper)->{json}{role}, 'keeper', 'a role by its password, which has a colon and is UTF-8');
is(data('whoami', $clerk)->{json}{role}, 'clerk', 'another role');
foreach ('clerk:wrong', 'clerk:', 'clerk', ':', ':clerk', '', "clerk:clerk\0x", 'nobody:x', 'gone:gone', "clerk dbname=template1:clerk",
	'CLERK:clerk')
{
	my $start = time;

	is(data('whoami', $_)->{status}, 401, 'refused: ' . $_ =~ s/\0/\\0/r);
	cmp_ok(time - $start, '>=', 1, '... and it takes a second') if /wrong|nobody/;
}
is(get('/data/whoami', headers => { Authorization => $_ })->{status}, 401, "refused: $_")
  foreach ('Basic', 'Basic !!!!', 'Basic ' . 'Y' x 4000, 'Bearer Y2xlcms6Y2xlcms=', 'Basic Y2xlcms6Y2xlcms');
$answer = data('whoami', 'trusted:wrong');
is($answer->{status}, 403, 'a role whose password is not asked for');
like($answer->{json}{error}{message}, qr/has not asked for the password/, '... and why');
$answer = data('whoami', 'trusted:trusted');
is($answer->{status}, 403, '... with the right one, too');

# --- who asks ------------------------------------------------------------------

foreach (
	[ 'cross-site', undef, 403 ], [ 'same-site', undef, 403 ], [ 'same-origin', undef, 200 ], [ 'none', undef, 200 ],
	[ undef, 'http://evil.example', 403 ], [ undef, "http://127.0.0.1:$gateway->{port}", 200 ], [ undef, 'null', 403 ],
	[ undef, 'http://127.0.0.1:1', 403 ])
{
	my ($site, $origin, $status) = @$_;
	my %headers;

	$headers{'Sec-Fetch-Site'} = $site if defined $site;
	$headers{'Origin'} = $origin if defined $origin;
	$answer = get('/data/whoami', as => $clerk, headers => \%headers);
	is($answer->{status}, $status, 'Sec-Fetch-Site ' . ($site // '-') . ', Origin ' . ($origin // '-'));
	ok(!exists $answer->{headers}{'access-control-allow-origin'}, '... is not for other sites');
}

# --- what each role sees -------------------------------------------------------

sub names
{
	my ($as, %query) = @_;

	return join(' ', map { $_->{table} } @{ data('streams', $as, %query)->{json}{items} });
}

is(names($keeper), 'orders secret', 'streams of the owner');
is(names($clerk), 'orders', 'streams of a reader');
is(names('stranger:stranger'), '', 'streams of nobody');
is(names($keeper, search => 'RDE'), 'orders', 'a search');
is(names($keeper, search => 'a%b_c'), '', 'a search for strange characters');
is(names($keeper, offset => 1), 'secret', 'the second page');
is(data('streams', $keeper, search => 'rde')->{json}{all}, 2, 'a search: of how many');
foreach ('shards', 'records')
{
	is(data($_, $clerk, stream => $arn)->{status}, 200, "$_ of a stream that the role may read");
	$answer = data($_, $clerk, stream => $secret_arn);
	is("$answer->{status} $answer->{json}{error}{sqlstate}", '403 42501', "$_ of another one");
}
$answer = data('records', $keeper, stream => $arn);
my @records = @{ $answer->{json}{items} };
is(scalar(@records), 7, 'newest records');
is(scalar(grep { !defined $_->{keys} } @records), 5, 'large ones without their images');
my ($changed) = grep { $_->{event} eq 'MODIFY' } @records;
is($changed->{new}{status}{S}, 'paid "</script>', 'what a record holds');
is($changed->{new}{price}{N}, '1.50', 'numbers as PostgreSQL writes them');
my @shards = @{ data('shards', $keeper, stream => $arn)->{json}{items} };
is(scalar(@shards), 2, 'shards');
is(join(' ', map { $_->{low} . '-' . $_->{high} } @shards), '0-0.5 0.5-1', 'their hashes');
my $read = 0;
foreach (@shards)
{
	$answer = data('shard_records', $clerk, stream => $arn, shard => $_->{id})->{json};
	$read += @{ $answer->{items} };
	is(scalar(@{ data('shard_records', $clerk, stream => $arn, shard => $_->{id}, iterator => $answer->{next})->{json}{items} }), 0,
		'the end of a shard');
}
is($read, 7, 'records of all shards');
is(data('shard_records', $clerk, stream => $arn, shard => $shards[0]{id}, iterator => 'x')->{status}, 400, 'a wrong iterator');
is(data('rates', $clerk)->{json}{items}[0]{records}, 7, 'sums');

# a role's own limit of time, where it is lower than the console's
my $locker = session($node);
$locker->query_safe('BEGIN; LOCK ' . $node->safe_psql('postgres',
	"SELECT string_agg(shard_table::text, ', ') FROM ddbstreams.describe_stream('$arn')"));
$node->safe_psql('postgres', q{ALTER ROLE clerk SET statement_timeout = '200ms'});
is(data('records', $clerk, stream => $arn)->{status}, 503, "a role's statement_timeout holds");
$node->safe_psql('postgres', 'ALTER ROLE clerk RESET statement_timeout');
$locker->quit;

is(data('mappings', $keeper)->{json}{items}[0]{function}, 'public.ship', 'mappings');
is(data('mappings', $clerk)->{json}{total}, 0, "another's mappings");
my $mapping = data('mappings', $keeper)->{json}{items}[0];
is(scalar(@{ data('mapping', $keeper, mapping => $mapping->{id})->{json}{items} }), $mapping->{lanes}, 'its lanes');
is(data('consumers', $clerk)->{json}{items}[0]{id}, 'audit', 'consumers');
is(scalar(@{ data('leases', $keeper, consumer => 'audit')->{json}{items} }), 2, 'leases');
is(data('leases', $clerk, consumer => 'audit')->{status}, 403, "another's leases");
is(data('leases', $clerk, consumer => 'none')->{status}, 404, 'leases of no consumer');
cmp_ok(scalar(@{ data('workers', $clerk)->{json}{items} }), '>', 0, 'workers');

# --- failed batches ------------------------------------------------------------

is(data('failed', $clerk)->{json}{total}, 0, "another's failed batches");
my $failed = data('failed', $keeper)->{json};
cmp_ok($failed->{total}, '>', 0, 'failed batches');
my $batch = $failed->{items}[0];
is("$batch->{condition} $batch->{function}", 'RetryAttemptsExhausted public.ship', 'why, and whose');
is(data('failed_batch', $clerk, batch => $batch->{id})->{json}{failure}, undef, "another's failed batch");
$answer = data('failed_batch', $keeper, batch => $batch->{id})->{json};
is(scalar(@{ $answer->{items} }), $batch->{records}, 'its records');
is($answer->{failure}{payload}, undef, 'they stand there once');

sub redrive
{
	my ($as, $body, %headers) = @_;

	return get('/redrive', method => 'POST', as => $as, body => $body,
		headers => { 'Content-Type' => 'application/json', 'X-Ddbstreams-Console' => 1, %headers });
}

my $request = $json->encode({ batch => $batch->{id} });
is(redrive(undef, $request)->{status}, 401, 'redrive: nobody');
is(redrive($clerk, $request)->{status}, 404, "redrive: another's batch");
is(redrive($keeper, $request, 'Content-Type' => 'text/plain')->{status}, 415, 'redrive: no JSON');
is(redrive($keeper, $request, 'Content-Type' => 'application/jsonx')->{status}, 415, 'redrive: no JSON either');
is(redrive($keeper, $request, 'Origin' => 'http://evil.example')->{status}, 403, 'redrive: from another site');
is(redrive($keeper, $request, 'Sec-Fetch-Site' => 'cross-site')->{status}, 403, 'redrive: from another site, says the browser');
is(get('/redrive', method => 'POST', as => $keeper, body => $request, headers => { 'Content-Type' => 'application/json' })->{status},
	403, 'redrive: without the header');
is(redrive($keeper, $_)->{status}, 400, "redrive: $_")
  foreach ('', '{}', '[]', '{"batch":null}', '{"batch":"x"}', '{', "{\"batch\":\"\xff\"}");
is($node->safe_psql('postgres', 'SELECT count(*) FROM ddbstreams.failed_batches WHERE redriven_at IS NOT NULL OR redrive_pending'), 0,
	'nothing was redriven');

$node->safe_psql('postgres', 'INSERT INTO mended VALUES (1)');
$answer = redrive($keeper, $request, 'Origin' => "http://127.0.0.1:$gateway->{port}", 'Sec-Fetch-Site' => 'same-origin');
is("$answer->{status} " . ($answer->{json}{batches} // ''), '200 1', 'redrive');
$node->poll_query_until('postgres', "SELECT redriven_at IS NOT NULL FROM ddbstreams.failed_batches WHERE id = '$batch->{id}'")
  or die 'the batch was not redriven';
is($node->safe_psql('postgres', "SELECT count(*) FROM ddbstreams.failed_batches WHERE redriven_at IS NOT NULL"), 1, 'this batch alone');
is(redrive($keeper, $request)->{json}{batches}, 0, 'redrive once more');

# --- bad requests --------------------------------------------------------------

is(get("/data/streams?search=$_", as => $clerk)->{status}, 400, "search=$_") foreach ('%', '%f', '%zz', '%00', '%ff');
is(get("/data/streams?$_", as => $clerk)->{status}, 200, $_) foreach ('', '&', '=', 'x=1', 'search', 'search=', '&&search=a&', 'search=a&search=b');
is(get("/data/streams?offset=$_", as => $clerk)->{status}, 400, "offset=$_") foreach ('x', '99999999999', '1.5');
is(get('/data/streams?offset=-5', as => $clerk)->{status}, 200, 'offset=-5');
is(data('shards', $clerk, stream => $_)->{status}, 400, "stream $_") foreach ('', "'", '$1');
is(data('shards', $clerk, stream => $arn . 'x')->{status}, 404, 'no such stream');
is(data('failed_batch', $clerk, batch => 'x')->{status}, 400, 'no UUID');

# --- nobody signs in -----------------------------------------------------------

my $open = start_gateway($node, '--no-auth');
$answer = get('/data/whoami', gateway => $open);
is($answer->{status}, 200, '--no-auth: nobody signs in');
is(get('/data/whoami', gateway => $open, headers => { Host => 'evil.example' })->{status} >= 400, 1, '--no-auth: a page that has taken our address');
is(get('/data/whoami', gateway => $open, headers => { 'Sec-Fetch-Site' => 'cross-site' })->{status}, 403, '--no-auth: a page of another site');
is(stop_gateway($open), 0, '--no-auth: it ends');

# --- without a server ----------------------------------------------------------

$node->stop;
$answer = data('whoami', $clerk);
is($answer->{status}, 503, 'without a server');
is(get('')->{status}, 200, 'the page, without a server');
is(stop_gateway($gateway), 0, 'it ends');

done_testing();
