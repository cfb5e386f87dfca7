# The signatures that AWS has published to test implementations of Signature
# Version 4 (aws-sig-v4-test-suite): each is right for its request, and for no
# other.
#
# To see it fail: test/mutations/run gateway-body-unsigned
# gateway-query-unsorted gateway-signature-begins.

use strict;
use warnings;

use FindBin;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = "$FindBin::RealBin/../..";
my $dir = $PostgreSQL::Test::Utils::tmp_check;
my $program = "$dir/sigv4_check";
my $secret = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
my $now = 1440938160;    # 2015-08-30 12:36:00
my $token =
  'AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==';
my $unreserved = '-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

# name, request line, headers beside Host and X-Amz-Date, body, signature
my @vectors = (
	[ 'get-vanilla', 'GET /', [], '', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31' ],
	[ 'get-unreserved', "GET /$unreserved", [], '', '07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f' ],
	[ 'get-utf8', "GET /\xe1\x88\xb4", [], '', '8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85' ],
	[ 'get-space', 'GET /example space/', [], '', '652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741' ],
	[ 'get-slash', 'GET //', [], '', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31' ],
	[ 'get-slashes', 'GET //example//', [], '', '9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84' ],
	[ 'get-slash-dot-slash', 'GET /./', [], '', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31' ],
	[ 'get-slash-pointless-dot', 'GET /./example', [], '', 'ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5' ],
	[ 'get-relative', 'GET /example/..', [], '', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31' ],
	[ 'get-relative-relative', 'GET /example1/example2/../..', [], '', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31' ],
	[ 'get-vanilla-empty-query-key', 'GET /?Param1=value1', [], '', 'a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb' ],
	[ 'get-vanilla-query', 'GET /', [], '', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31' ],
	[ 'get-vanilla-query-order-key-case', 'GET /?Param2=value2&Param1=value1', [], '', 'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500' ],
	[ 'get-vanilla-query-order-value', 'GET /?Param1=value2&Param1=value1', [], '', '5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694' ],
	[ 'get-vanilla-query-unreserved', "GET /?$unreserved=$unreserved", [], '', '9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197' ],
	[ 'get-vanilla-utf8-query', "GET /?\xe1\x88\xb4=bar", [], '', '2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04' ],
	[ 'get-header-key-duplicate', 'GET /', [ 'My-Header1:value2', 'My-Header1:value2', 'My-Header1:value1' ], '', 'c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea' ],
	[ 'get-header-value-multiline', 'GET /', [ 'My-Header1:value1', 'My-Header1: value2', 'My-Header1:  value3' ], '', 'ba17b383a53190154eb5fa66a1b836cc297cc0a3d70a5d00705980573d8ff790' ],
	[ 'get-header-value-order', 'GET /', [ 'My-Header1:value4', 'My-Header1:value1', 'My-Header1:value3', 'My-Header1:value2' ], '', '08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01' ],
	[ 'get-header-value-trim', 'GET /', [ 'My-Header1: value1', 'My-Header2: "a   b   c"' ], '', 'acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736' ],
	[ 'post-header-key-case', 'POST /', [], '', '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b' ],
	[ 'post-header-key-sort', 'POST /', ['My-Header1:value1'], '', 'c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c' ],
	[ 'post-header-value-case', 'POST /', ['My-Header1:VALUE1'], '', 'cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d' ],
	[ 'post-sts-header-before', 'POST /', ["X-Amz-Security-Token:$token"], '', '85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead' ],
	[ 'post-vanilla-query', 'POST /?Param1=value1', [], '', '28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11' ],
	[ 'post-x-www-form-urlencoded', 'POST /', ['Content-Type:application/x-www-form-urlencoded'], 'Param1=value1', 'ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a' ],
	[ 'post-x-www-form-urlencoded-parameters', 'POST /', ['Content-Type:application/x-www-form-urlencoded; charset=utf8'], 'Param1=value1', '1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe' ]);

sub check
{
	my ($request, $secret_given) = @_;
	my $said;

	IPC::Run::run([ $program, $now, 'service', $secret_given // $secret ],
		'<', \$request, '>', \$said);
	chomp($said);
	return $said;
}

# The request of a vector; parameters: another part of it
sub request
{
	my ($vector, %other) = @_;
	my ($name, $line, $headers, $body, $signature) = @$vector;
	my %names = map { lc((split(/:/))[0]) => 1 } @$headers, 'Host:', 'X-Amz-Date:';

	return join("\n", "$line HTTP/1.1",
		'Host:example.amazonaws.com',
		@$headers,
		$other{header} // (),
		'X-Amz-Date:20150830T123600Z',
		'Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, '
		  . 'SignedHeaders=' . join(';', sort keys %names) . ", Signature=$signature",
		'', $other{body} // $body);
}

is(system($ENV{CC} // 'cc', '-I', "$root/src", '-o', $program,
		"$root/test/gateway/sigv4_check.c", map({ "$root/src/gateway/$_.c" } qw(sigv4 sigv4_verify text_buffer)),
		'-lcrypto'),
	0, 'the program can be built');

foreach my $vector (@vectors)
{
	my $signature = $vector->[4];
	my @wrong = @$vector;

	is(check(request($vector)), 'ok', $vector->[0]);
	is(check(request($vector, body => "$vector->[3] ")), 'wrong', "$vector->[0]: another body");
	is(check(request($vector), 'another'), 'wrong', "$vector->[0]: another secret");
	$wrong[4] = ($signature =~ /^0/ ? '1' : '0') . substr($signature, 1);
	is(check(request(\@wrong)), 'wrong', "$vector->[0]: another signature");
	$wrong[4] = substr($signature, 0, 63);
	is(check(request(\@wrong)), 'wrong', "$vector->[0]: a part of the signature");
	@wrong = @$vector;
	$wrong[1] .= $wrong[1] =~ /\?/ ? '&x=' : 'x';
	is(check(request(\@wrong)), 'wrong', "$vector->[0]: another target");
}

# What is not in the suite: a percent sign is encoded once more, the hash of
# the body has to be right, and names sort before values
my $vector = [ 'none', 'GET /', [], '', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31' ];

is(check(request([ @$vector[ 0, 1, 2, 3 ], "" ])),
	"incomplete: Authorization header requires 'Signature' parameter. Authorization=AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=",
	'no signature');
is(check(request($vector, header => 'X-Amz-Content-Sha256:' . 'e' x 64)), 'wrong',
	'a hash of another body');
is( check(
		request(
			$vector,
			header => 'X-Amz-Content-Sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')),
	'ok',
	'the hash of the body');

done_testing();
