#!/bin/bash
#
# In PL/Perl with the jsonb transform, comparing a sequence number as a number
# makes it one in the answer.
#
# One would guess that a comparison changes nothing: the sequence number is a
# string in the event, and the handler returns that string.
#
# Perl caches the number in the variable, and the transform on the way out takes
# the cached number in preference to the string. The leading zeros are gone, and
# the identifier does not match a record any more. A comparison by eq or gt
# keeps the string.
#
# For Lambda, an item identifier that is not in the batch fails the whole batch.
# A handler that is right line by line, and merely sorts its failures, thus has
# its successes delivered again.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
debian_packages postgresql-plperl-15
start_debian
sql <<'END'
create extension jsonb_plperl cascade;
create function handler(event jsonb, compares boolean) returns jsonb language plperl transform for type jsonb as $$
	my ($event, $compares) = @_;
	my @failed = map { $_->{dynamodb}{SequenceNumber} } @{$event->{Records}};
	@failed = sort { $a <=> $b } @failed if $compares eq 't';
	return { batchItemFailures => [ map { { itemIdentifier => $_ } } @failed ] };
$$;
END
answer()
{
	sql -c "select handler('{\"Records\": [
		{\"dynamodb\": {\"SequenceNumber\": \"000000000000000012346\"}},
		{\"dynamodb\": {\"SequenceNumber\": \"000000000000000012345\"}}]}', $1)"
}
expect 'in the order of the batch' "$(answer false)" \
	'{"batchItemFailures": [{"itemIdentifier": "000000000000000012346"}, {"itemIdentifier": "000000000000000012345"}]}'
expect 'sorted by <=>' "$(answer true)" \
	'{"batchItemFailures": [{"itemIdentifier": 12345}, {"itemIdentifier": 12346}]}'
finish
