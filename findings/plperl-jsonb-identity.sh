#!/bin/bash
#
# A PL/Perl function that returns its jsonb argument changes it.
#
# One would guess that the jsonb transform is faithful in both directions, or at
# least as precise as a double precision.
#
# true becomes 1 and false becomes 0, so that {"BOOL": true} is {"BOOL": 1}.
# Numbers keep 15 digits, fewer than a double precision has: 2^53 - 1 comes back
# as another integer. PL/Python's transform keeps all of it.
#
# A handler in PL/Perl that passes images on, or stores them, gives others typed
# JSON that client libraries refuse or read as another value. Only what DynamoDB
# writes as strings, numbers among them, gets through.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
debian_packages postgresql-plperl-15
start_debian
sql <<'END'
create extension jsonb_plperl cascade;
create function same(value jsonb) returns jsonb language plperl transform for type jsonb as $$ return $_[0]; $$;
END
same()
{
	sql -c "select same('$1')"
}
expect 'true' "$(same '{"BOOL": true}')" '{"BOOL": 1}'
expect 'false' "$(same '{"BOOL": false}')" '{"BOOL": 0}'
expect 'NULL' "$(same '{"NULL": true}')" '{"NULL": 1}'
expect '2^53 - 1' "$(same 9007199254740991)" 9007199254740990
expect 'typed number' "$(same '{"N": "9007199254740993.50"}')" '{"N": "9007199254740993.50"}'
finish
