# shellcheck shell=bash
#
# What benchmarks measure with; they read test/lib.sh first.

# The processor time of all processes of a server so far, in milliseconds: the
# postmaster's, that of its children, and that of those which have ended
# shellcheck disable=SC2154 # tmp: lib.sh
processor_ms()
{
	perl -e '
		use POSIX ();
		my $ticks = 0;
		sub add_times
		{
			my ($pid, @fields) = @_;
			open my $in, "<", "/proc/$pid/stat" or return;
			my @stat = split " ", <$in> =~ s/.*\) //r;
			$ticks += $stat[$_] foreach @fields;
		}
		open my $in, "<", "/proc/$ARGV[0]/task/$ARGV[0]/children" or die "$ARGV[0]: $!";
		my @children = split " ", <$in> // "";
		add_times($ARGV[0], 11 .. 14);
		add_times($_, 11, 12) foreach @children;
		printf "%d", $ticks * 1000 / POSIX::sysconf(POSIX::_SC_CLK_TCK);
	' "$(head -n 1 "$tmp/$1/data/postmaster.pid")"
}

# The same of one process, which the kernel counts exactly
process_ms()
{
	awk '{ printf "%d", $1 / 1000000 }' "/proc/$1/schedstat"
}

# With REALTIME, which needs root: from now on this script goes before all others,
# with the servers and clients that it starts, so that their work does not count.
go_first()
{
	[ -z "${REALTIME:-}" ] || chrt --rr --pid 1 $$
}
