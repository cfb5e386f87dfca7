/*
 * quick_value.c
 *	  Attribute values of frequent types, in a few steps.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type_d.h"
#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"
#include "utils/date.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/hex_digits.h"
#include "base/settings.h"
#include "typed_json/plain_number.h"
#include "typed_json/plain_text.h"
#include "typed_json/plain_time.h"
#include "typed_json/quick_value.h"

/* More than any value takes, but for texts */
#define ROOM 96

StaticAssertDecl(PLAIN_NUMERIC_ROOM < ROOM, "a numeric has no room");

QuickKind
quick_value_kind(Oid base_type)
{
	switch (base_type)
	{
		case BOOLOID:
			return QUICK_BOOL;
		case INT2OID:
			return QUICK_INT2;
		case INT4OID:
			return QUICK_INT4;
		case INT8OID:
			return QUICK_INT8;
		case NUMERICOID:
			return QUICK_NUMERIC;
		case FLOAT4OID:
			return QUICK_FLOAT4;
		case FLOAT8OID:
			return QUICK_FLOAT8;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return QUICK_TEXT;
		case DATEOID:
			return QUICK_DATE;
		case TIMESTAMPOID:
			return QUICK_TIMESTAMP;
		case TIMESTAMPTZOID:
			return QUICK_TIMESTAMPTZ;
		case UUIDOID:
			return QUICK_UUID;
		default:
			return QUICK_NONE;
	}
}

const char *
quick_value_lead(QuickKind kind)
{
	switch (kind)
	{
		case QUICK_NONE:
			return "";
		case QUICK_BOOL:
			return "{\"BOOL\":";
		case QUICK_INT2:
		case QUICK_INT4:
		case QUICK_INT8:
		case QUICK_NUMERIC:
		case QUICK_FLOAT4:
		case QUICK_FLOAT8:
			return "{\"N\":\"";
		case QUICK_TEXT:
		case QUICK_DATE:
		case QUICK_TIMESTAMP:
		case QUICK_TIMESTAMPTZ:
		case QUICK_UUID:
			return "{\"S\":\"";
	}
	return ""; /* keep compiler quiet */
}

bool
quick_value_is_usable(void)
{
	int encoding = GetDatabaseEncoding();

	return (encoding == PG_UTF8 || encoding == PG_SQL_ASCII) &&
		   !setting_dynamodb_numbers;
}

static inline char *
put_bool(char *out, bool value, int64 *size)
{
	*size = 1;
	memcpy(out, value ? "true}" : "false", 5);
	if (value)
		return out + 5;
	out[5] = '}';
	return out + 6;
}

static inline char *
put_float4(char *out, float4 value, int64 *size)
{
	int length;

	if (!isfinite(value))
		return NULL;
	length = float_to_shortest_decimal_bufn(value, out);
	*size = plain_number_size(out, length);
	return out + length;
}

static inline char *
put_float8(char *out, float8 value, int64 *size)
{
	int length;

	if (!isfinite(value))
		return NULL;
	length = double_to_shortest_decimal_bufn(value, out);
	*size = plain_number_size(out, length);
	return out + length;
}

/* The size of a text without escapes is its length. */
static inline char *
with_length(char *out, char *end, int64 *size)
{
	if (end != NULL)
		*size = end - out;
	return end;
}

static inline char *
put_varlena(QuickKind kind, Datum value, char *out, const char *end, int64 *size)
{
	const struct varlena *varlena = (const struct varlena *) DatumGetPointer(value);
	const char			 *data;
	Size				  length;

	if (!VARATT_IS_SHORT(varlena) && !VARATT_IS_4B_U(varlena))
		return NULL;
	if (VARATT_IS_EXTERNAL(varlena))
		return NULL;
	data = VARDATA_ANY(varlena);
	length = VARSIZE_ANY_EXHDR(varlena);
	if (kind == QUICK_NUMERIC)
		return plain_number_put_numeric(out, data, length, size);
	if ((Size) (end - out) < length + ROOM || !plain_text_copy(out, data, length))
		return NULL;
	*size = length;
	return out + length;
}

/* Writes what stands between the quotes. */
static inline char *
put_quoted(QuickKind kind, Datum value, char *out, const char *end, int64 *size)
{
	switch (kind)
	{
		case QUICK_INT2:
			return plain_number_put_integer(out, DatumGetInt16(value), size);
		case QUICK_INT4:
			return plain_number_put_integer(out, DatumGetInt32(value), size);
		case QUICK_INT8:
			return plain_number_put_integer(out, DatumGetInt64(value), size);
		case QUICK_NUMERIC:
		case QUICK_TEXT:
			return put_varlena(kind, value, out, end, size);
		case QUICK_FLOAT4:
			return put_float4(out, DatumGetFloat4(value), size);
		case QUICK_FLOAT8:
			return put_float8(out, DatumGetFloat8(value), size);
		case QUICK_DATE:
			if (DATE_NOT_FINITE(DatumGetDateADT(value)))
				return NULL;
			return with_length(out, plain_time_put_day(out, DatumGetDateADT(value)), size);
		case QUICK_TIMESTAMP:
		case QUICK_TIMESTAMPTZ:
			if (TIMESTAMP_NOT_FINITE(DatumGetTimestamp(value)))
				return NULL;
			return with_length(out,
							   plain_time_put(out, DatumGetTimestamp(value),
											  kind == QUICK_TIMESTAMPTZ),
							   size);
		case QUICK_UUID:
			return with_length(out, hex_digits_put_uuid(out, DatumGetUUIDP(value)->data), size);
		default:
			return NULL;
	}
}

char *
quick_value_put(QuickKind kind, Datum value, char *out, const char *end,
				int64 *size)
{
	if (end - out < ROOM)
		return NULL;
	if (kind == QUICK_BOOL)
		return put_bool(out, DatumGetBool(value), size);
	out = put_quoted(kind, value, out, end, size);
	if (out == NULL)
		return NULL;
	memcpy(out, "\"}", 2);
	return out + 2;
}
