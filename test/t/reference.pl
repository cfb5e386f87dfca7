# The pages that have to name everything: docs/reference.md is what the database
# says, and every SQLSTATE that the source raises is in it.
#
# To see it fail: change a COMMENT in the install script without running
# test/make-reference; take an argument out of a COMMENT; raise an error with an
# SQLSTATE that test/reference.sql does not list.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use File::Find;
use PostgreSQL::Test::Utils;
use StreamTest;
use Test::More;

my $root = "$FindBin::RealBin/../..";
my $node = new_server('reference', '', bare => 1);
my $made = "${PostgreSQL::Test::Utils::tmp_check}/reference.md";
my ($stdout, $stderr, $diff);

# The text of all C files
sub source
{
	my $text = '';

	find(
		{
			no_chdir => 1,
			wanted => sub { $text .= slurp_file($_) if /\.[ch]$/ }
		},
		"$root/src");
	return $text;
}

$node->safe_psql('postgres', 'CREATE EXTENSION ddbstreams');

#
# The page
#
is( $node->psql(
		'postgres', '\i ' . "$root/test/reference.sql",
		stdout => \$stdout,
		stderr => \$stderr),
	0,
	'the reference can be made: every argument and column is explained');
diag($stderr) if $stderr ne '';
append_to_file($made, "$stdout\n");
IPC::Run::run([ 'diff', '-u', "$root/docs/reference.md", $made ], '>', \$diff);
ok($diff eq '', 'docs/reference.md is up to date')
  or diag("Run test/make-reference.\n$diff");

#
# SQLSTATEs: PostgreSQL's conditions are in the table by their names, and those
# of ddbstreams' own by their codes.
#
my $source = source();
my $reference = slurp_file("$root/docs/reference.md");
my (%raised, @missing);

# What no client ever gets as an error: raised to be caught by its caller, or a
# warning's
my %inside = map { $_ => 1 }
  qw(DATA_EXCEPTION INVALID_BINARY_REPRESENTATION INTERNAL_ERROR
  DATATYPE_MISMATCH INVALID_ROLE_SPECIFICATION);

$raised{$1} = 1 while $source =~ /\berrcode\(ERRCODE_(\w+)\)/g;
cmp_ok(scalar(keys %raised), '>', 15, 'the source raises errors');
foreach my $name (grep { !$inside{$_} } sort keys %raised)
{
	my $code = $name;

	if ($source =~ /#define\s+ERRCODE_$name\s+MAKE_SQLSTATE\(([^)]*)\)/)
	{
		$code = $1;
		$code =~ s/[^A-Z0-9]//g;
	}
	$code =~ s/^(E_R_I_E|T_R)_//;
	push @missing, $name unless $reference =~ /`\Q$code\E`/i;
}
is("@missing", '', 'every SQLSTATE that is raised is in the reference');

done_testing();
