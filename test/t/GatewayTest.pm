# What the TAP tests of ddbstreams-gateway share: starting one, and a client
# that speaks raw HTTP and signs by an implementation of its own.

package GatewayTest;

use strict;
use warnings;

use Exporter 'import';
use Digest::SHA qw(sha256_hex hmac_sha256 hmac_sha256_hex);
use FindBin;
use IO::Socket::INET;
use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(gateway_program write_file start_gateway stop_gateway
  gateway_says connect_to send_to receive call aws lambda sign);

our %key = (id => 'AKTEST', secret => 'test/secret+key');

my @started;
my $json = JSON::PP->new->utf8->canonical;

# The program, or undef if it was not built
sub gateway_program
{
	my $program = "$FindBin::RealBin/../../ddbstreams-gateway";

	return -x $program ? $program : undef;
}

sub write_file
{
	my ($file, $text, $mode) = @_;

	open(my $out, '>', $file) or die "$file: $!";
	print $out $text;
	close($out);
	chmod($mode // 0600, $file);
	return $file;
}

# Starts a gateway in front of a server, and waits until it listens.
sub start_gateway
{
	my ($node, @options) = @_;
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $log = "${PostgreSQL::Test::Utils::tmp_check}/gateway.$port.log";
	my $pid;

	write_file($log, '');
	$pid = fork() // die "fork: $!";
	if ($pid == 0)
	{
		open(STDERR, '>>', $log);
		open(STDOUT, '>>', $log);
		open(STDIN, '<', '/dev/null');
		delete $ENV{PGAPPNAME};
		{
			exec(gateway_program(), '--listen', "127.0.0.1:$port", @options,
				$node->connstr('postgres'));
		}
		POSIX::_exit(1);
	}
	my $gateway = { port => $port, log => $log, pid => $pid };

	push(@started, $gateway);
	gateway_says($gateway, qr/listening on/);
	return $gateway;
}

# Waits until the log has a line; each line counts once.
sub gateway_says
{
	my ($gateway, $line) = @_;

	foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my $text = substr(slurp_file($gateway->{log}), $gateway->{read} // 0);

		if ($text =~ /$line[^\n]*\n/g)
		{
			$gateway->{read} += pos($text);
			return 1;
		}
		usleep(100_000);
	}
	diag(slurp_file($gateway->{log}));
	return 0;
}

# Ends a gateway, and returns its exit status.
sub stop_gateway
{
	my ($gateway) = @_;

	kill('TERM', $gateway->{pid});
	waitpid($gateway->{pid}, 0);
	$gateway->{pid} = 0;
	return $?;
}

END
{
	# what a test that died has left
	local $?;
	kill('KILL', grep { $_ } map { $_->{pid} } @started);
}

sub connect_to
{
	my ($gateway) = @_;

	return IO::Socket::INET->new(
		PeerAddr => '127.0.0.1',
		PeerPort => $gateway->{port}) // die "cannot connect: $@";
}

sub send_to
{
	my ($socket, $bytes) = @_;

	local $SIG{PIPE} = 'IGNORE';
	while (length($bytes) > 0)
	{
		my $sent = syswrite($socket, $bytes);

		return 0 unless $sent;
		substr($bytes, 0, $sent) = '';
	}
	return 1;
}

# Reads an answer: status, headers with lower-case names, body, and what JSON
# says (unless raw is true: reading a page takes time).  Undef if the connection
# ends before.
sub receive
{
	my ($socket, %params) = @_;
	my $bytes = '';
	my %answer;

	local $SIG{ALRM} = sub { die "no answer\n" };
	alarm($PostgreSQL::Test::Utils::timeout_default);
	while ($bytes !~ /\r\n\r\n/)
	{
		if (!sysread($socket, $bytes, 65536, length($bytes)))
		{
			alarm(0);
			return;
		}
	}
	my ($head, $body) = split(/\r\n\r\n/, $bytes, 2);
	my ($status, @lines) = split(/\r\n/, $head);

	$answer{status} = $1 if $status =~ m{^HTTP/1\.[01] (\d+)};
	foreach (@lines)
	{
		$answer{headers}{ lc $1 } = $2 if /^([^:]+): *(.*)$/;
	}
	return \%answer if ($answer{status} // 0) == 100;
	while (!$params{head} && length($body) < ($answer{headers}{'content-length'} // 0))
	{
		last unless sysread($socket, $body, 65536, length($body));
	}
	alarm(0);
	$answer{body} = $body;
	$answer{json} = eval { $json->decode($body) } unless $params{raw};
	return \%answer;
}

sub encode
{
	my ($text) = @_;

	$text =~ s/([^A-Za-z0-9\-._~])/sprintf('%%%02X', ord($1))/ge;
	return $text;
}

# Returns the Authorization header for a request.  Headers to be signed are
# all of %$headers; parameters change one thing or another.
sub sign
{
	my ($method, $target, $headers, $body, %params) = @_;
	my ($path, $query) = split(/\?/, $target, 2);
	my %lower = map { lc($_) => $headers->{$_} } keys %$headers;
	my $stamp = $lower{'x-amz-date'};
	my $day = $params{day} // substr($stamp, 0, 8);
	my $scope = join('/', $day, $params{region} // 'us-east-1',
		$params{service} // 'dynamodb', 'aws4_request');
	my @names = grep { my $n = $_; !grep { $_ eq $n } @{ $params{unsigned} // [] } }
	  sort keys %lower;
	my $hash = sha256_hex($body);

	$path = join('/', map { encode($_) } split(m{/}, $path, -1));
	$query = join('&',
		map { "$_->[0]=$_->[1]" } sort { $a->[0] cmp $b->[0] || $a->[1] cmp $b->[1] }
		  map { [ split(/=/, $_ =~ /=/ ? $_ : "$_=", 2) ] } split(/&/, $query // ''));
	my $canonical = join("\n", $method, $path, $query,
		(map { my $v = $lower{$_}; $v =~ s/^\s+|\s+$//g; $v =~ s/\s+/ /g; "$_:$v" } @names),
		'', join(';', @names), $hash);
	my $key = 'AWS4' . ($params{secret} // $key{secret});

	$key = hmac_sha256($_, $key) foreach split(m{/}, $scope);
	my $signature = hmac_sha256_hex(
		join("\n", 'AWS4-HMAC-SHA256', $stamp, $scope, sha256_hex($canonical)), $key);

	return sprintf('AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s',
		$params{id} // $key{id}, $scope, join(';', @names), $signature);
}

# Sends a request, and returns the answer.  Parameters: socket (else a new one),
# headers, body, signed_body, unsigned => header names, no_sign, skew => seconds,
# no_wait (then it returns the socket, for receive), raw, and those of sign().
sub call
{
	my ($gateway, $method, $target, %params) = @_;
	my $socket = $params{socket} // connect_to($gateway);
	my $body = $params{body} // '';
	my %headers = (
		'Host' => "127.0.0.1:$gateway->{port}",
		'X-Amz-Date' => POSIX::strftime('%Y%m%dT%H%M%SZ', gmtime(time + ($params{skew} // 0))),
		%{ $params{headers} // {} });
	my $text = "$method $target HTTP/1.1\r\n";

	delete $headers{'X-Amz-Date'} if $params{no_sign};
	$headers{'Authorization'} = sign($method, $target, \%headers, $params{signed_body} // $body, %params)
	  unless $params{no_sign} || exists $headers{'Authorization'};
	$headers{'Content-Length'} = length($body) if $body ne '' || $method ne 'GET';
	$text .= "$_: $headers{$_}\r\n" foreach sort keys %headers;
	send_to($socket, "$text\r\n$body");
	return $socket if $params{no_wait};
	return receive($socket, head => $method eq 'HEAD', raw => $params{raw});
}

# An operation of DynamoDB Streams, or of DynamoDB if its name says so.
sub aws
{
	my ($gateway, $operation, $request, %params) = @_;
	my $target = $operation =~ /\./ ? $operation : "DynamoDBStreams_20120810.$operation";

	return call($gateway, 'POST', '/', %params,
		body => ref($request) ? $json->encode($request) : $request,
		headers => {
			'Content-Type' => 'application/x-amz-json-1.0',
			'X-Amz-Target' => $target,
			%{ $params{headers} // {} } });
}

# An operation of Lambda; what stands behind /2015-03-31/event-source-mappings
sub lambda
{
	my ($gateway, $method, $rest, $request, %params) = @_;

	return call($gateway, $method, "/2015-03-31/event-source-mappings$rest",
		service => 'lambda',
		%params,
		body => ref($request) ? $json->encode($request) : $request // '');
}

1;
