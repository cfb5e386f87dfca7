# The pages that have to name everything: docs/reference.md is what the database
# says, and has every SQLSTATE; docs/faq.md has every message, and README.md every
# setting.  And links between pages lead somewhere.
#
# To see it fail: test/mutations/run faq-message-unlisted heading-renamed
# readme-default-changed reference-argument-missing reference-comment-changed
# reference-sqlstate-unlisted.

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
# The README's table has every setting with its default.
#
my ($readme) = slurp_file("$root/README.md") =~ /^## Settings\n.*?^\| --- .*?\n(.*?)\n\n/ms;
my (%settings, %shown);

foreach my $line (split(/\n/, $readme))
{
	my (undef, $names, $defaults) = split(/ ?\| ?/, $line);
	my @defaults = $defaults eq 'empty' ? ('') : $defaults =~ /`([^`]*)`/g;

	$shown{"ddbstreams.$_"} = shift @defaults foreach $names =~ /`([^`]+)`/g;
}
%settings = map { split(/\|/, $_, 2) } split(/\n/,
	$node->safe_psql('postgres', "SELECT name, current_setting(name) FROM pg_settings WHERE name LIKE 'ddbstreams.%'"));
is_deeply(\%shown, \%settings, "the README's table of settings");

#
# SQLSTATEs: PostgreSQL's conditions are in the table by their names, and those
# of ddbstreams' own by their codes.
#
my $source = source();
my $reference = slurp_file("$root/docs/reference.md");
my (%raised, @missing_states, @missing);

# What no client ever gets as an error of a function: raised to be caught by its
# caller, a warning's, or DROP EXTENSION's
my %inside = map { $_ => 1 }
  qw(DATA_EXCEPTION INVALID_BINARY_REPRESENTATION INTERNAL_ERROR
  DATATYPE_MISMATCH INVALID_ROLE_SPECIFICATION
  DEPENDENT_OBJECTS_STILL_EXIST);

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
	push @missing_states, $name unless $reference =~ /`\Q$code\E`/i;
}
is("@missing_states", '', 'every SQLSTATE that is raised is in the reference');

#
# Messages: docs/faq.md has each that a user can get, and has no other.
#
my $faq = slurp_file("$root/docs/faq.md");
my (@unknown, $literals);

# What nobody ever sees: caught where it is raised, or out of reach
my @hidden = (
	'the value was not kept',
	'invalid internal value for enum',
	'the names of the table and its schema are too long for an ARN');

# The longest piece of a text between what varies
sub longest
{
	my ($longest) = sort { length($b) <=> length($a) } @_;
	return $longest;
}

# Comments and characters with quotes, and pieces of one string
$source =~ s{/\*.*?\*/}{}gs;
$source =~ s/'\\?"'//g;
$source =~ s{(?<!\\)"\s*(INT64_FORMAT|UINT64_FORMAT)\s*"}{%d}g;
$source =~ s{(?<!\\)"\s*"}{}g;
$faq =~ s/\s+/ /g;
foreach my $text ($source =~ /\berrmsg(?:_plural)?\(\s*(?:INVALID_VALUES\s*)?"((?:[^"\\]|\\.)*)"/g)
{
	my $piece;

	$text =~ s/\\(.)/$1/g;
	$piece = longest(split(/%[-.*\d]*(?:ll|z)?[a-z]/, $text));
	next if grep { index($text, $_) >= 0 } @hidden;
	next if length($piece) < 4;
	push @missing, $text unless index($faq, $piece) >= 0;
}

# Those of scripts that update the extension
my @of_scripts = map { slurp_file($_) =~ /RAISE EXCEPTION '([^']*)'/g } glob("$root/sql/ddbstreams--*--*.sql");

push @missing, grep { index($faq, $_) < 0 } @of_scripts;
is(join("\n", @missing), '', 'every message of the source is in docs/faq.md');

# A message may be put together from strings: half of its words must stand side
# by side in one.
$literals = join("\n", @of_scripts, $source =~ /"((?:[^"\\]|\\.)*)"/g);
$literals =~ s/\\(.)/$1/g;
foreach my $line (split(/\n/, slurp_file("$root/docs/faq.md") =~ s/.*\n## Messages\n//sr))
{
	my ($cell) = $line =~ /^\| (`.*?) \| / or next;

	next if $cell =~ /PostgreSQL's own/;
	foreach my $message ($cell =~ /`([^`]+)`/g)
	{
		my @words = split(' ', longest(split(/…|\b\d+\b/, $message)));
		my $half = int((@words + 1) / 2);

		$half = @words if @words <= 2;
		push @unknown, $message
		  unless grep { index($literals, join(' ', @words[ $_ .. $_ + $half - 1 ])) >= 0 } 0 .. @words - $half;
	}
}
is(join("\n", @unknown), '', '... and docs/faq.md has no message but these');

#
# Links between pages lead to a file, and to a heading in it.
#
my %anchors;

# The anchors of a page's headings, as the sites that show Markdown make them
sub anchors_of
{
	my ($page) = @_;
	my $text = slurp_file($page) =~ s/^```.*?^```//gmsr;
	my %found;

	foreach my $heading ($text =~ /^#+ +(.*)$/gm)
	{
		my $anchor = lc($heading);

		$anchor =~ s/[`*]//g;
		$anchor =~ s/[^\w\- ]//g;
		$anchor =~ s/ /-/g;
		$found{$anchor} = 1;
	}
	return \%found;
}

my ($links, @broken) = (0);
my @pages = glob("$root/*.md $root/docs/*.md");
foreach my $page (@pages)
{
	my $text = slurp_file($page) =~ s/^```.*?^```//gmsr;
	my ($folder) = $page =~ m{(.*)/};

	foreach my $link ($text =~ /\]\(([^)\s]+)\)/g)
	{
		my ($file, $anchor) = $link =~ /^([^#]*)(?:#(.*))?$/;
		my $target = $file eq '' ? $page : "$folder/$file";

		next if $link =~ /^\w+:/;
		$links++;
		push @broken, "$page: $link" and next unless -e $target;
		$anchors{$target} //= anchors_of($target) if defined $anchor;
		push @broken, "$page: $link" if defined $anchor && !$anchors{$target}->{$anchor};
	}
}
cmp_ok($links, '>', 100, 'pages have links');
is(join("\n", @broken), '', 'every link leads somewhere');

done_testing();
