/*
 * filter_test.c
 *	  What a filter asks of a single value: a string, number, boolean or null.
 *
 * Texts are compared byte by byte in the encoding of the database.  Where
 * characters must be told apart (case, wildcards, the end of a text), both
 * sides are converted to UTF-8 first; in SQL_ASCII a byte is a character.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <float.h>
#include <math.h>
#include <string.h>
#include <sys/socket.h>

#include "common/shortest_dec.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "filter/filter_case.h"
#include "filter/filter_test.h"

/* A value, and forms of it that are made when a test needs them first */
typedef struct TestedValue
{
	const JsonbValue *json;
	char			 *number;	  /* as text */
	char			 *characters; /* of a string: in UTF-8 */
	int				  characters_length;
	bool			  double_known;
	bool			  is_double;
	double			  as_double;
} TestedValue;

static bool test_passes(const FilterTest *test, TestedValue *value);

/*
 * Returns a text in which characters can be told apart: the text itself, or
 * one in UTF-8, palloc'd.
 */
static char *
characters_of(const char *text, int length, int *new_length)
{
	char *converted = (char *) text;

	if (GetDatabaseEncoding() != PG_UTF8 && length > 0)
		converted = pg_server_to_any(text, length, PG_UTF8);
	*new_length = converted == text ? length : (int) strlen(converted);
	return converted;
}

/* Reads a character at *position, and moves *position behind it. */
static pg_wchar
next_character(const char **position, const char *end)
{
	const unsigned char *at = (const unsigned char *) *position;
	int					 length;

	if (*at < 0x80 || GetDatabaseEncoding() == PG_SQL_ASCII)
	{
		(*position)++;
		return *at;
	}
	length = pg_utf_mblen(at);
	if (length > end - *position)
	{
		*position = end;
		return 0;
	}
	*position += length;
	return utf8_to_unicode(at);
}

static bool
is_continuation(char byte)
{
	return GetDatabaseEncoding() != PG_SQL_ASCII && ((unsigned char) byte & 0xC0) == 0x80;
}

/* --- making tests ------------------------------------------------------- */

/* Makes a test that ignores case. */
static void
set_folded(FilterTest *test, const char *text, int length)
{
	int			characters_length;
	char	   *characters = characters_of(text, length, &characters_length);
	const char *at = characters;
	const char *end = characters + characters_length;
	int			count = 0;
	bool		bytes_only = GetDatabaseEncoding() == PG_SQL_ASCII;

	test->u.folded.characters = palloc(sizeof(FilterCharacter) * Max(characters_length, 1));
	while (at < end)
	{
		FilterCharacter *character = &test->u.folded.characters[count++];

		character->self = next_character(&at, end);
		character->lower = character->upper = character->self;
		if (!bytes_only || character->self < 0x80)
		{
			character->lower = filter_case_lower(character->self);
			character->upper = filter_case_upper(character->self);
		}
	}
	test->u.folded.count = count;
	if (characters != text)
		pfree(characters);
}

void
filter_test_set_text(FilterTest *test, FilterTestKind kind, const char *text,
					 int length)
{
	char *copy;

	test->kind = kind;
	switch (kind)
	{
		case FILTER_TEST_FOLDED:
		case FILTER_TEST_FOLDED_PREFIX:
		case FILTER_TEST_FOLDED_SUFFIX:
			set_folded(test, text, length);
			return;
		case FILTER_TEST_SUFFIX:
			copy = characters_of(text, length, &length);
			if (copy == text)
				copy = pnstrdup(text, length);
			break;
		default:
			copy = pnstrdup(text, length);
	}
	test->u.text.data = copy;
	test->u.text.length = length;
}

const char *
filter_test_set_wildcard(FilterTest *test, const char *text, int length)
{
	int			characters_length;
	char	   *characters = characters_of(text, length, &characters_length);
	const char *at = characters;
	const char *end = characters + characters_length;
	char	   *out = palloc(characters_length + 1);
	char	   *start = out;
	int			count = 0;
	FilterText *parts = palloc(sizeof(FilterText) * (characters_length + 1));

	for (; at < end; at++)
	{
		if (*at == '*')
		{
			if (at + 1 < end && at[1] == '*')
				return "a wildcard must not have consecutive asterisks.";
			parts[count].data = start;
			parts[count++].length = (int) (out - start);
			start = out;
			continue;
		}
		if (*at == '\\')
		{
			at++;
			if (at == end || (*at != '*' && *at != '\\'))
				return "in a wildcard a backslash must be followed by an asterisk or a backslash.";
		}
		*out++ = *at;
	}
	parts[count].data = start;
	parts[count++].length = (int) (out - start);

	test->kind = FILTER_TEST_WILDCARD;
	test->u.wildcard.count = count;
	test->u.wildcard.parts = parts;
	return NULL;
}

/* Clears the bits of an address that are not in the network. */
static void
mask_address(unsigned char *address, int length, int bits)
{
	for (int i = 0; i < length; i++)
	{
		int kept = Max(0, Min(8, bits - i * 8));

		address[i] &= (unsigned char) (0xFF00 >> kept);
	}
}

/* Reads an address; returns its family, or -1 if the text is none. */
static int
parse_address(const char *text, int length, unsigned char *address)
{
	char buf[INET6_ADDRSTRLEN];

	if (length >= (int) sizeof(buf))
		return -1;
	memcpy(buf, text, length);
	buf[length] = '\0';
	if (inet_pton(AF_INET, buf, address) == 1)
		return AF_INET;
	if (inet_pton(AF_INET6, buf, address) == 1)
		return AF_INET6;
	return -1;
}

static int
address_length(int family)
{
	return family == AF_INET ? 4 : 16;
}

const char *
filter_test_set_cidr(FilterTest *test, const char *text, int length)
{
	const char *slash = memchr(text, '/', length);
	const char *end = text + length;
	int			bits = 0;

	test->kind = FILTER_TEST_CIDR;
	if (slash == NULL || slash + 1 == end)
		return "a cidr is an address, a slash and a number of bits.";
	test->u.cidr.family = parse_address(text, (int) (slash - text),
										test->u.cidr.address);
	if (test->u.cidr.family == -1)
		return "the address of a cidr must be an IPv4 or IPv6 address.";
	for (const char *at = slash + 1; at < end; at++)
	{
		if (!isdigit((unsigned char) *at) || end - slash > 4)
			return "the bits of a cidr must be a number.";
		bits = bits * 10 + (*at - '0');
	}
	if (bits > address_length(test->u.cidr.family) * 8)
		return "the bits of a cidr must not be more than its address has.";
	test->u.cidr.bits = bits;
	mask_address(test->u.cidr.address, address_length(test->u.cidr.family), bits);
	return NULL;
}

/*
 * A number of at most DBL_DIG significant digits in the normal range is always
 * the shortest form of its double; only others are printed and compared.
 */
bool
filter_test_number_as_double(const char *number, double *result)
{
	const char *first = NULL;
	const char *last = NULL;
	int			digits = 0;
	int			digits_at_last = 0;
	char		shortest[DOUBLE_SHORTEST_DECIMAL_LEN];

	for (const char *at = number; *at != '\0'; at++)
	{
		if (!isdigit((unsigned char) *at))
			continue;
		if (*at != '0')
		{
			if (first == NULL)
				first = at;
			last = at;
		}
		if (first != NULL)
			digits++;
		if (last == at)
			digits_at_last = digits;
	}

	*result = strtod(number, NULL);
	if (first == NULL)
		return true;
	if (isinf(*result) || *result == 0)
		return false;
	if (digits_at_last <= DBL_DIG && fabs(*result) >= DBL_MIN)
		return true;

	double_to_shortest_decimal_buf(*result, shortest);
	return DatumGetBool(DirectFunctionCall2(numeric_eq,
											DirectFunctionCall3(numeric_in, CStringGetDatum(shortest),
																ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)),
											DirectFunctionCall3(numeric_in, CStringGetDatum(number),
																ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1))));
}

char *
filter_test_number_text(Numeric number)
{
	Datum trimmed = DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(number));

	return DatumGetCString(DirectFunctionCall1(numeric_out, trimmed));
}

/* --- testing ------------------------------------------------------------ */

static const char *
value_number(TestedValue *value)
{
	if (value->number == NULL)
		value->number = filter_test_number_text(value->json->val.numeric);
	return value->number;
}

static const char *
value_characters(TestedValue *value, int *length)
{
	if (value->characters == NULL)
		value->characters = characters_of(value->json->val.string.val,
										  value->json->val.string.len,
										  &value->characters_length);
	*length = value->characters_length;
	return value->characters;
}

/*
 * Does the text at *at begin with the test's characters?  Moves behind them.
 */
static bool
folded_equal(const FilterTest *test, const char **at, const char *end)
{
	for (int i = 0; i < test->u.folded.count; i++)
	{
		const FilterCharacter *expected = &test->u.folded.characters[i];
		pg_wchar			   found;

		if (*at == end)
			return false;
		found = next_character(at, end);
		if (found != expected->lower && found != expected->upper &&
			found != expected->self)
			return false;
	}
	return true;
}

static bool
folded_passes(const FilterTest *test, const char *text, int length)
{
	const char *at = text;
	const char *end = text + length;

	if (test->kind == FILTER_TEST_FOLDED_SUFFIX)
	{
		at = end;
		for (int i = 0; i < test->u.folded.count; i++)
		{
			if (at == text)
				return false;
			do
				at--;
			while (at > text && is_continuation(*at));
		}
	}
	return folded_equal(test, &at, end) &&
		   (at == end || test->kind == FILTER_TEST_FOLDED_PREFIX);
}

/*
 * The first part must be at the beginning and the last one at the end.  Each
 * of the others is looked for in order, and the first place where it is will
 * do.
 */
static bool
wildcard_passes(const FilterTest *test, const char *text, int length)
{
	const FilterText *first = &test->u.wildcard.parts[0];
	const FilterText *last = &test->u.wildcard.parts[test->u.wildcard.count - 1];
	const char		 *at;
	const char		 *end;

	if (test->u.wildcard.count == 1)
		return length == first->length && memcmp(text, first->data, length) == 0;
	if (length < first->length + last->length)
		return false;
	at = text + first->length;
	end = text + length - last->length;
	if (memcmp(text, first->data, first->length) != 0 ||
		memcmp(end, last->data, last->length) != 0)
		return false;
	for (int i = 1; i < test->u.wildcard.count - 1; i++)
	{
		const FilterText *part = &test->u.wildcard.parts[i];

		CHECK_FOR_INTERRUPTS();
		at = memmem(at, end - at, part->data, part->length);
		if (at == NULL)
			return false;
		at += part->length;
	}
	return true;
}

static bool
numeric_passes(const FilterTest *test, TestedValue *value)
{
	double number;

	if (!value->double_known)
	{
		value->is_double = filter_test_number_as_double(value_number(value),
														&value->as_double);
		value->double_known = true;
	}
	number = value->as_double;
	return value->is_double &&
		   (test->u.numeric.low_open ? number > test->u.numeric.low :
									   number >= test->u.numeric.low) &&
		   (test->u.numeric.high_open ? number < test->u.numeric.high :
										number <= test->u.numeric.high);
}

static bool
cidr_passes(const FilterTest *test, const char *text, int length)
{
	unsigned char address[16] = {0};
	int			  family = parse_address(text, length, address);

	if (family == -1 || family != test->u.cidr.family)
		return false;
	mask_address(address, address_length(family), test->u.cidr.bits);
	return memcmp(address, test->u.cidr.address, address_length(family)) == 0;
}

static bool
string_passes(const FilterTest *test, TestedValue *value)
{
	const char *text = value->json->val.string.val;
	int			length = value->json->val.string.len;
	FilterText	expected = test->u.text;

	switch (test->kind)
	{
		case FILTER_TEST_STRING:
			return length == expected.length &&
				   memcmp(text, expected.data, length) == 0;
		case FILTER_TEST_PREFIX:
			return length >= expected.length &&
				   memcmp(text, expected.data, expected.length) == 0;
		case FILTER_TEST_CIDR:
			return cidr_passes(test, text, length);
		default:
			break;
	}

	text = value_characters(value, &length);
	switch (test->kind)
	{
		case FILTER_TEST_SUFFIX:
			return length >= expected.length &&
				   memcmp(text + length - expected.length, expected.data,
						  expected.length) == 0;
		case FILTER_TEST_FOLDED:
		case FILTER_TEST_FOLDED_PREFIX:
		case FILTER_TEST_FOLDED_SUFFIX:
			return folded_passes(test, text, length);
		case FILTER_TEST_WILDCARD:
			return wildcard_passes(test, text, length);
		default:
			return false;
	}
}

static bool
anything_but_passes(const FilterTest *test, TestedValue *value)
{
	for (int i = 0; i < test->u.anything_but.count; i++)
	{
		if (test_passes(&test->u.anything_but.tests[i], value))
			return false;
	}
	return true;
}

static bool
test_passes(const FilterTest *test, TestedValue *value)
{
	enum jbvType type = value->json->type;

	switch (test->kind)
	{
		case FILTER_TEST_EXISTS:
			return true;
		case FILTER_TEST_NULL:
			return type == jbvNull;
		case FILTER_TEST_BOOL:
			return type == jbvBool &&
				   value->json->val.boolean == test->u.boolean;
		case FILTER_TEST_NUMBER:
			return type == jbvNumeric &&
				   strcmp(value_number(value), test->u.text.data) == 0;
		case FILTER_TEST_NUMERIC:
			return type == jbvNumeric && numeric_passes(test, value);
		case FILTER_TEST_ANYTHING_BUT:
			return anything_but_passes(test, value);
		default:
			return type == jbvString && string_passes(test, value);
	}
}

bool
filter_test_any_passes(const FilterTest *tests, int count, const JsonbValue *json)
{
	TestedValue value = {.json = json};
	bool		passes = false;

	for (int i = 0; i < count && !passes; i++)
		passes = test_passes(&tests[i], &value);

	if (value.number != NULL)
		pfree(value.number);
	if (value.characters != NULL && value.characters != json->val.string.val)
		pfree(value.characters);
	return passes;
}
