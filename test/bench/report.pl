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

# What a method's figure is compared with: no capture in the same server if that
# is among the methods; for reading, wal2json's one statement
sub base_of
{
	my ($method, $figure) = @_;

	return median('wal2json', 'read_per_s') if $figure =~ /^read_/;
	return median('none_logical', $figure) // median('none', $figure)
	  if $method =~ /_logical$/;
	return median('none', $figure);
}

# A line of the table: medians of all methods, with ratios
sub line
{
	my ($title, $figure, $digits) = @_;
	my @cells = ($title);

	foreach my $method (@methods)
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
printf "Medians of %d interleaved rounds, in brackets the ratio to no capture "
  . "(reading: to wal2json); 8 columns, both images, 4 shards, "
  . "fsync = off, shared_buffers 1 GB, autovacuum off.\n\n", $rounds;

push @table, [ 'measure', map { $name{$_} } @methods ];
line(thousands($rows) . '-row INSERT ... SELECT, s', 'insert_s', 2);
line(thousands(int $rows / 2) . '-row UPDATE, s', 'update_s', 2);
line('  the INSERT in processor time, s', 'insert_cpu', 2);
line('  the UPDATE in processor time, s', 'update_cpu', 2);
line("single-row UPDATEs, $clients clients, tps", 'tps', 0);
line('  in processor time of the server, microseconds', 'single_cpu', 1);
line('WAL per row of the INSERT, bytes', 'insert_wal', 0);
line('WAL per row of the UPDATE, bytes', 'update_wal', 0);
line('WAL per single-row UPDATE, bytes', 'single_wal', 0);
line('reading ' . thousands($rows + int $rows / 2) . ' changes as JSON, per s', 'read_per_s', 0);
line('  rows of get_records, per s', 'read_rows_per_s', 0);
line('  by a client: GetRecords page by page; pg_recvlogical', 'read_client_per_s', 0);
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
