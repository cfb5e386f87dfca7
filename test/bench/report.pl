#!/usr/bin/perl
#
# Prints the tables of test/bench/run from its figures: lines of method, figure
# and value.

use strict;
use warnings;
use POSIX qw(strftime);

my ($file, $markdown, $methods, $rows, $keys, $clients, $seconds, $depth,
	$version) = @ARGV;
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
	no warnings 'uninitialized';

	return median('wal2json', "${1}read_client_per_s") if $figure =~ /^(cpu_)?.*client/;
	return median('wal2json', "${1}read_per_s") if $figure =~ /^(cpu_)?read_/;
	return median('none_logical', $figure) // median('none', $figure)
	  if is_logical($method);
	return median('none', $figure);
}

my @shown;

# Begins a table of some of the methods.
sub columns
{
	@shown = @_;
	push @table, [ 'measure', map { $name{$_} } @shown ];
}

# A line of the table: medians of its methods, with ratios
sub line
{
	my ($title, $figure, $digits) = @_;
	my @cells = ($title);

	foreach my $method (@shown)
	{
		my $value = median($method, $figure);
		my $base_value = base_of($method, $figure);

		push @cells, !defined $value ? '-' : shown($value, $digits)
		  . ($base_value ? sprintf ' (%.2f)', $value / $base_value : '');
	}
	push @table, \@cells;
}

sub print_table
{
	my @width;

	foreach my $row (@table)
	{
		for (0 .. $#$row)
		{
			$width[$_] = length $row->[$_] if length $row->[$_] > ($width[$_] || 0);
		}
	}
	foreach my $n (0 .. $#table)
	{
		my @cells = map { sprintf $_ == 0 ? '%-*s' : '%*s', $width[$_], $table[$n][$_] }
		  0 .. $#{ $table[$n] };

		print $markdown eq 'yes' ? '| ' . join(' | ', @cells) . " |\n" : join('  ', @cells) . "\n";
		next if $n > 0;
		print $markdown eq 'yes'
		  ? '| ' . join(' | ', map { $_ == 0 ? '-' x $width[0] : '-' x ($width[$_] - 1) . ':' } 0 .. $#width) . " |\n"
		  : join('  ', map { '-' x $_ } @width) . "\n";
	}
	print "\n";
	@table = ();
}

sub machine
{
	my $cpu = 'unknown cpu';
	my ($cores, $memory) = (0, 0);

	open my $cpuinfo, '<', '/proc/cpuinfo' or return $cpu;
	while (<$cpuinfo>)
	{
		$cpu = $1 if /^model name\s*:\s*(.*)/;
		$cores++ if /^processor\s*:/;
	}
	open my $meminfo, '<', '/proc/meminfo' or return $cpu;
	while (<$meminfo>)
	{
		$memory = $1 / 1024 / 1024 if /^MemTotal:\s*(\d+)/;
	}
	$version =~ s/^postgres //;
	return sprintf '%s, %d cores, %.0f GB; %s', $cpu, $cores, $memory,
	  $version;
}

printf "%s; %s; load average %s.\n", strftime('%Y-%m-%d', localtime), machine(),
  (split ' ', `cat /proc/loadavg`)[0];
# The figures may be of several calls, each with rounds of its own.
printf "Medians of %d interleaved rounds, in brackets the ratio to no capture "
  . "(reading: to wal2json's peek, or pg_recvlogical); 8 columns, both images, 4 shards, "
  . "fsync = off, shared_buffers 1 GB, autovacuum off.\n\n",
  scalar @{ $figures{ $methods[0] }{insert_s} };

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
my @readings = (
	[ 'as JSON', 'read_per_s' ],
	[ 'rows of get_records', 'read_rows_per_s' ],
	[ '  in a loop from page to page', 'read_loop_per_s' ],
	[ 'poll and checkpoint, 1,000 at a time', 'read_poll_per_s' ],
	[ 'by a client: GetRecords page by page; pg_recvlogical', 'read_client_per_s' ],
	[ '  rows of get_records page by page', 'client_rows_per_s' ],
	[ '  poll and checkpoint', 'client_poll_per_s' ]);

line("$_->[0], per s", $_->[1], 0) foreach @readings;
print_table();
print "The same in processor time of the server, microseconds a change:\n\n";
columns(grep { defined median($_, 'read_per_s') } @methods);
line($_->[0], "cpu_$_->[1]", 2) foreach @readings;
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
