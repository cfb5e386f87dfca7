#!/usr/bin/perl
#
# Prints the tables of test/bench/run from its figures: lines of method, figure
# and value.

use strict;
use warnings;
use POSIX qw(strftime);

my ($file, $markdown, $methods, $rows, $keys, $clients, $seconds, $rounds,
	$depth, $version) = @ARGV;
my @methods = split ' ', $methods;
my %name = (
	none => 'no capture',
	none_logical => 'no capture, logical',
	floor => 'floor',
	floor_logical => 'floor, logical',
	ddbstreams => 'ddbstreams',
	ddbstreams_logical => 'ddbstreams, logical',
	pgq => 'PgQ',
	plpgsql => 'PL/pgSQL',
	wal2json => 'wal2json');
my %figures;
my @table;

open my $in, '<', $file or die "$file: $!\n";
while (<$in>)
{
	my ($method, $figure, $value) = split;
	push @{ $figures{$method}{$figure} }, $value;
}

sub percentile
{
	my ($share, $method, $figure) = @_;
	my @values = sort { $a <=> $b } @{ $figures{$method}{$figure} || [] };
	my $place = $share * $#values;
	my $low = int $place;

	return undef if !@values;
	return $values[$low] if $low == $#values;
	return $values[$low] + ($place - $low) * ($values[ $low + 1 ] - $values[$low]);
}

sub median { return percentile(0.5, @_); }

sub thousands
{
	my ($number) = @_;
	1 while $number =~ s/^(\d+)(\d{3})/$1,$2/;
	return $number;
}

sub shown
{
	my ($value, $digits) = @_;
	return thousands(sprintf "%.${digits}f", $value);
}

sub is_logical { return $_[0] =~ /_logical$/ || $_[0] eq 'wal2json'; }

# What a method's figure is compared with: no capture in the same server if that
# is among the methods; for reading, wal2json's one statement, and for a client
# pg_recvlogical
sub base_of
{
	my ($method, $figure) = @_;

	return median('wal2json', 'read_client_per_s') if $figure =~ /client/;
	return median('wal2json', 'read_per_s') if $figure =~ /^read_/;
	return median('none_logical', $figure) // median('none', $figure)
	  if is_logical($method);
	return median('none', $figure);
}

my @shown;

# Begins a table of some of the methods.
sub columns
{
	@shown = @_;
	# The table of what capturing costs in one of the servers
sub capturing
{
	my ($wal_level, @captures) = @_;

	return if !@captures;
	print "wal_level = $wal_level:\n\n";
	columns(@captures);
	line(thousands($rows) . '-row INSERT ... SELECT, s', 'insert_s', 2);
	line(thousands(int $rows / 2) . '-row UPDATE, s', 'update_s', 2);
	line('  the INSERT in processor time, s', 'insert_cpu', 2);
	line('  the UPDATE in processor time, s', 'update_cpu', 2);
	line("single-row UPDATEs, $clients clients, tps", 'tps', 0);
	line('  in processor time of the server, microseconds', 'single_cpu', 1);
	line('WAL per row of the INSERT, bytes', 'insert_wal', 0);
	line('WAL per row of the UPDATE, bytes', 'update_wal', 0);
	line('WAL per single-row UPDATE, bytes', 'single_wal', 0);
	print_table();
}

capturing('replica', grep { !is_logical($_) } @methods);
capturing('logical', grep { is_logical($_) } @methods);

print "Reading " . thousands($rows + int $rows / 2) . " changes:\n\n";
columns(grep { defined median($_, 'read_per_s') } @methods);
line('as JSON, per s', 'read_per_s', 0);
line('rows of get_records, per s', 'read_rows_per_s', 0);
line('  in a loop from page to page', 'read_loop_per_s', 0);
line('poll and checkpoint, 1,000 at a time, per s', 'read_poll_per_s', 0);
line('by a client: GetRecords page by page; pg_recvlogical', 'read_client_per_s', 0);
line('  rows of get_records page by page', 'client_rows_per_s', 0);
line('  poll and checkpoint', 'client_poll_per_s', 0);
print_table();

if (my $small = median('depth', 'small_ms'))
{
	my $large = median('depth', 'large_ms');

	push @table, [ 'ddbstreams', 'median', '' ];
	push @table, [ 'last 1,000 records of 10,000, ms', shown($small, 2), '' ];
	push @table, [ 'last 1,000 records of ' . thousands($depth) . ', ms',
		shown($large, 2), sprintf 'ratio %.2f', $large / $small ];
	push @table, [ 'one INSERT of ' . thousands($depth) . ' narrow rows, keys only, 1 shard, rows/s',
		shown(median('depth', 'bulk_rate'), 0), '' ];
	push @table, [ 'wait_for_records, commit to wake-up, ms',
		shown(median('wake', 'ms'), 2),
		sprintf 'p99 %.2f', percentile(0.99, 'wake', 'ms') ];
	print_table();
}
