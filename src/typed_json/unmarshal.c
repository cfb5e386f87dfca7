/*
 * unmarshal.c
 *	  unmarshal(): typed JSON to plain JSON.
 *
 * The argument is an image, whose members are attribute values, or a single
 * attribute value.  The text is read token by token (json_scan.c); strings and
 * numbers are copied as they stand there.
 */
#include "postgres.h"

#include "common/jsonapi.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/errors.h"
#include "typed_json/json_scan.h"

PG_FUNCTION_INFO_V1(ddbstreams_unmarshal);

/* Bytes of the image that an error message shows */
#define EXCERPT_LENGTH 64

/* The type tags of attribute values */
typedef enum AttributeTag
{
	TAG_NONE,
	TAG_STRING,
	TAG_NUMBER,
	TAG_BINARY,
	TAG_BOOL,
	TAG_NULL,
	TAG_MAP,
	TAG_LIST,
	TAG_STRING_SET,
	TAG_NUMBER_SET,
	TAG_BINARY_SET
} AttributeTag;

static void append_value(StringInfo out, JsonScan *scan);

/* Returns the type tag that the string at hand is, or TAG_NONE. */
static AttributeTag
tag_at_hand(const JsonScan *scan)
{
	static const struct
	{
		const char	*name;
		AttributeTag tag;
	} tags[] = {
		{"S", TAG_STRING},
		{"N", TAG_NUMBER},
		{"B", TAG_BINARY},
		{"BOOL", TAG_BOOL},
		{"NULL", TAG_NULL},
		{"M", TAG_MAP},
		{"L", TAG_LIST},
		{"SS", TAG_STRING_SET},
		{"NS", TAG_NUMBER_SET},
		{"BS", TAG_BINARY_SET}};

	if (scan->token != JSON_SCAN_STRING)
		return TAG_NONE;
	for (int i = 0; i < (int) lengthof(tags); i++)
	{
		if (scan->length == strlen(tags[i].name) + 2 &&
			memcmp(scan->start + 1, tags[i].name, scan->length - 2) == 0)
			return tags[i].tag;
	}
	return TAG_NONE;
}

/* Can the value of an attribute of this tag begin with this token? */
static bool
tag_allows(AttributeTag tag, JsonScanToken token)
{
	switch (tag)
	{
		case TAG_STRING:
		case TAG_NUMBER:
		case TAG_BINARY:
			return token == JSON_SCAN_STRING;
		case TAG_BOOL:
			return token == JSON_SCAN_TRUE || token == JSON_SCAN_FALSE;
		case TAG_NULL:
			return token == JSON_SCAN_TRUE;
		case TAG_MAP:
			return token == JSON_SCAN_OBJECT_START;
		case TAG_LIST:
		case TAG_STRING_SET:
		case TAG_NUMBER_SET:
		case TAG_BINARY_SET:
			return token == JSON_SCAN_ARRAY_START;
		case TAG_NONE:
			break;
	}
	return false;
}

/* Raises an error that shows the text from the token at hand on. */
static void
report_malformed_image(const JsonScan *scan, const char *expected)
{
	int rest = (int) (scan->end - scan->start);

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("image is not typed JSON"),
			 rest > 0 ?
				 errdetail("Expected %s at \"%.*s\".", expected,
						   pg_mbcliplen(scan->start, rest, EXCERPT_LENGTH),
						   scan->start) :
				 errdetail("Expected %s at the end.", expected),
			 errhint("An image is an object of attribute values, such as {\"id\": {\"N\": \"1\"}}.")));
}

static void
expect(const JsonScan *scan, JsonScanToken token, const char *expected)
{
	if (scan->token != token)
		report_malformed_image(scan, expected);
}

static void
append_number(StringInfo out, const JsonScan *scan)
{
	if (!IsValidJsonNumber(scan->start + 1, (int) scan->length - 2))
		report_malformed_image(scan, "a number");
	appendBinaryStringInfo(out, scan->start + 1, (int) scan->length - 2);
}

static void
append_list(StringInfo out, JsonScan *scan, AttributeTag tag)
{
	bool first = true;

	appendStringInfoChar(out, '[');
	while (json_scan_next(scan) != JSON_SCAN_ARRAY_END)
	{
		CHECK_FOR_INTERRUPTS();
		if (!first)
		{
			expect(scan, JSON_SCAN_COMMA, "a comma or the end of the list");
			appendStringInfoChar(out, ',');
			json_scan_next(scan);
		}
		first = false;

		if (tag == TAG_LIST)
		{
			append_value(out, scan);
			continue;
		}
		expect(scan, JSON_SCAN_STRING, "a string");
		if (tag == TAG_NUMBER_SET)
			append_number(out, scan);
		else
			appendBinaryStringInfo(out, scan->start, (int) scan->length);
	}
	appendStringInfoChar(out, ']');
}

/* Appends the object at hand, whose members are attribute values. */
static void
append_map(StringInfo out, JsonScan *scan)
{
	bool first = true;

	appendStringInfoChar(out, '{');
	while (json_scan_next(scan) != JSON_SCAN_OBJECT_END)
	{
		CHECK_FOR_INTERRUPTS();
		if (!first)
		{
			expect(scan, JSON_SCAN_COMMA, "a comma or the end of the object");
			appendStringInfoChar(out, ',');
			json_scan_next(scan);
		}
		first = false;

		expect(scan, JSON_SCAN_STRING, "a name");
		appendBinaryStringInfo(out, scan->start, (int) scan->length);
		json_scan_next(scan);
		expect(scan, JSON_SCAN_COLON, "a colon");
		appendStringInfoChar(out, ':');
		json_scan_next(scan);
		append_value(out, scan);
	}
	appendStringInfoChar(out, '}');
}

/* Appends what the attribute value at hand holds; its end is at hand then. */
static void
append_value(StringInfo out, JsonScan *scan)
{
	JsonScan	 object = *scan;
	AttributeTag tag;

	check_stack_depth();

	expect(scan, JSON_SCAN_OBJECT_START, "an attribute value");
	json_scan_next(scan);
	tag = tag_at_hand(scan);
	if (tag == TAG_NONE || json_scan_next(scan) != JSON_SCAN_COLON ||
		!tag_allows(tag, json_scan_next(scan)))
		report_malformed_image(&object, "an attribute value");

	switch (tag)
	{
		case TAG_STRING:
		case TAG_BINARY:
		case TAG_BOOL:
			appendBinaryStringInfo(out, scan->start, (int) scan->length);
			break;
		case TAG_NUMBER:
			append_number(out, scan);
			break;
		case TAG_NULL:
			appendStringInfoString(out, "null");
			break;
		case TAG_MAP:
			append_map(out, scan);
			break;
		default:
			append_list(out, scan, tag);
	}
	json_scan_next(scan);
	expect(scan, JSON_SCAN_OBJECT_END, "the end of an attribute value");
}

/*
 * Is the object at hand an attribute value, and not an image?  An attribute
 * value has one member, which is named by a type tag and has the JSON type of
 * that tag.
 *
 * An image of a single column "M" has that form, too.  The objects inside are
 * contents of maps and attribute values by turns; the first one that can only
 * be one of the two tells what the outermost one is.
 */
static bool
is_attribute_value(JsonScan scan)
{
	JsonScan	 inner = scan;
	AttributeTag tag;
	int			 level = 0;				/* of inner; the object at hand is 1 */
	int			 branch = PG_INT32_MAX; /* outermost with several members */
	int			 depth = 0;

	do
	{
		level++;
		json_scan_next(&inner);
		tag = tag_at_hand(&inner);
		if (tag != TAG_NONE && (json_scan_next(&inner) != JSON_SCAN_COLON ||
								!tag_allows(tag, json_scan_next(&inner))))
			tag = TAG_NONE;
	} while (tag == TAG_MAP);

	do
	{
		CHECK_FOR_INTERRUPTS();
		if (scan.token == JSON_SCAN_OBJECT_START ||
			scan.token == JSON_SCAN_ARRAY_START)
			depth++;
		else if (scan.token == JSON_SCAN_OBJECT_END ||
				 scan.token == JSON_SCAN_ARRAY_END)
			depth--;
		else if (scan.token == JSON_SCAN_COMMA)
			branch = Min(branch, depth);
		json_scan_next(&scan);
	} while (depth > 0 && scan.token != JSON_SCAN_END &&
			 scan.token != JSON_SCAN_INVALID);

	if (branch <= level)
	{
		level = branch;
		tag = TAG_NONE;
	}
	return (tag != TAG_NONE) == (level % 2 == 1);
}

/* unmarshal(image json) returns json */
Datum
ddbstreams_unmarshal(PG_FUNCTION_ARGS)
{
	text		  *image;
	StringInfoData out;
	JsonScan	   scan;

	if (PG_ARGISNULL(0))
		error_null_argument("image");
	image = PG_GETARG_TEXT_PP(0);
	initStringInfo(&out);
	json_scan_start(&scan, VARDATA_ANY(image), VARSIZE_ANY_EXHDR(image));
	json_scan_next(&scan);
	expect(&scan, JSON_SCAN_OBJECT_START, "an object");
	if (is_attribute_value(scan))
		append_value(&out, &scan);
	else
		append_map(&out, &scan);
	json_scan_next(&scan);
	expect(&scan, JSON_SCAN_END, "the end of the image");

	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}
