# "make installcheck" on a server with PostgreSQL's defaults, which knows no
# prepared transactions, leaves out the specs that need them.  (The regress tests
# see to that themselves.)

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

# The specs that would be run in a server
sub specs
{
	my ($node) = @_;
	my ($out, $err);

	local %ENV = $node->_get_env();
	# What "make prove" itself was told is not for this one.
	delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};
	$out = `make -n -C .. PG_CONFIG=$ENV{PG_CONFIG} installcheck 2>&1`;
	my ($command) = grep { /pg_isolation_regress/ } split(/\n/, $out =~ s/\\\n//gr);
	my %names = map { $_ => 1 } split(' ', $command // '');
	return grep { $names{$_} } map { m{/([^/]+)\.spec$} } sort glob('isolation/specs/*.spec');
}

my @all = map { m{/([^/]+)\.spec$} } sort glob('isolation/specs/*.spec');
my @prepare = grep { slurp_file("isolation/specs/$_.spec") =~ /PREPARE TRANSACTION/ } @all;
my %prepares = map { $_ => 1 } @prepare;
my $node = new_server('installcheck', 'ddbstreams.maintenance_interval = 1h');

cmp_ok(scalar(@prepare), '>', 0, 'there are specs that prepare transactions');
is(join(' ', specs($node)), join(' ', @all), 'a server with prepared transactions runs all of them');
$node->append_conf('postgresql.conf', 'max_prepared_transactions = 0');
$node->restart;
is(join(' ', specs($node)), join(' ', grep { !$prepares{$_} } @all), 'one without runs the others');

$node->stop;
done_testing();
