/*
 * typed_json.c
 *	  PostgreSQL values as DynamoDB typed JSON: types of a stable format.
 *
 * Values of these types are written from their binary form alone: without the
 * catalogues, which may have changed since the value was captured, and without
 * any setting but ddbstreams.dynamodb_numbers, so that a record reads the same
 * in every session.  So few of the types' output functions are called here.
 *
 * Nothing here raises an error for a value.  A value that does not fit or
 * cannot be written becomes a marker: {"S":"<ddbstreams: reason>"}.
 */
#include "postgres.h"

#include <math.h>

#include "access/detoast.h"
#include "catalog/pg_type_d.h"
#include "common/shortest_dec.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/inet.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/base64_text.h"
#include "base/hex_digits.h"
#include "base/settings.h"
#include "typed_json/aligned_varlena.h"
#include "typed_json/json_container.h"
#include "typed_json/plain_number.h"
#include "typed_json/plain_time.h"
#include "typed_json/quick_value.h"
#include "typed_json/typed_json.h"

/*
 * Tells how elements of a raw scalar type are stored in an array, without
 * asking the catalogue.  Returns false if the type is none.
 */
static bool
raw_storage(Oid type, int16 *typlen, bool *typbyval, char *typalign)
{
#define STORAGE(len, byval, align) \
	(*typlen = (len), *typbyval = (byval), *typalign = (align), true)

	switch (type)
	{
		case BOOLOID:
		case CHAROID:
			return STORAGE(1, true, TYPALIGN_CHAR);
		case INT2OID:
			return STORAGE(2, true, TYPALIGN_SHORT);
		case INT4OID:
		case FLOAT4OID:
		case DATEOID:
			return STORAGE(4, true, TYPALIGN_INT);
		case INT8OID:
		case FLOAT8OID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return STORAGE(8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
		case NAMEOID:
			return STORAGE(NAMEDATALEN, false, TYPALIGN_CHAR);
		case UUIDOID:
			return STORAGE(UUID_LEN, false, TYPALIGN_CHAR);
		case TIMETZOID:
			return STORAGE(12, false, TYPALIGN_DOUBLE);
		case INTERVALOID:
			return STORAGE(sizeof(Interval), false, TYPALIGN_DOUBLE);
		case MACADDROID:
			return STORAGE(sizeof(macaddr), false, TYPALIGN_INT);
		case MACADDR8OID:
			return STORAGE(sizeof(macaddr8), false, TYPALIGN_INT);
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case BYTEAOID:
		case NUMERICOID:
		case INETOID:
		case CIDROID:
		case JSONOID:
		case JSONBOID:
			return STORAGE(-1, false, TYPALIGN_INT);
		default:
			return false;
	}
#undef STORAGE
}

/* Returns the element type of an array of raw scalars, or InvalidOid. */
static Oid
raw_element_type(Oid type)
{
	switch (type)
	{
		case BOOLARRAYOID:
			return BOOLOID;
		case CHARARRAYOID:
			return CHAROID;
		case INT2ARRAYOID:
			return INT2OID;
		case INT4ARRAYOID:
			return INT4OID;
		case INT8ARRAYOID:
			return INT8OID;
		case NUMERICARRAYOID:
			return NUMERICOID;
		case FLOAT4ARRAYOID:
			return FLOAT4OID;
		case FLOAT8ARRAYOID:
			return FLOAT8OID;
		case TEXTARRAYOID:
			return TEXTOID;
		case VARCHARARRAYOID:
			return VARCHAROID;
		case BPCHARARRAYOID:
			return BPCHAROID;
		case NAMEARRAYOID:
			return NAMEOID;
		case BYTEAARRAYOID:
			return BYTEAOID;
		case DATEARRAYOID:
			return DATEOID;
		case TIMEARRAYOID:
			return TIMEOID;
		case TIMETZARRAYOID:
			return TIMETZOID;
		case TIMESTAMPARRAYOID:
			return TIMESTAMPOID;
		case TIMESTAMPTZARRAYOID:
			return TIMESTAMPTZOID;
		case INTERVALARRAYOID:
			return INTERVALOID;
		case UUIDARRAYOID:
			return UUIDOID;
		case JSONARRAYOID:
			return JSONOID;
		case JSONBARRAYOID:
			return JSONBOID;
		case INETARRAYOID:
			return INETOID;
		case CIDRARRAYOID:
			return CIDROID;
		case MACADDRARRAYOID:
			return MACADDROID;
		case MACADDR8ARRAYOID:
			return MACADDR8OID;
		default:
			return InvalidOid;
	}
}

bool
typed_json_is_raw(Oid base_type)
{
	int16 typlen;
	bool  typbyval;
	char  typalign;

	return raw_storage(base_type, &typlen, &typbyval, &typalign) ||
		   OidIsValid(raw_element_type(base_type));
}

/*
 * Returns an uncompressed varlena: in place, or palloc'd if the value is
 * compressed; NULL if it is too large in any case.
 */
static struct varlena *
unpack_varlena(JsonWriter *writer, Datum value)
{
	struct varlena *varlena = (struct varlena *) DatumGetPointer(value);

	if (likely(!VARATT_IS_EXTENDED(varlena) || VARATT_IS_SHORT(varlena)))
		return varlena;

	if (toast_raw_datum_size(value) - VARHDRSZ > writer->limit)
	{
		writer->failure = "value too large";
		return NULL;
	}
	return detoast_attr(varlena);
}

static int64
write_varlena_text(JsonWriter *writer, Datum value)
{
	struct varlena *varlena = unpack_varlena(writer, value);
	int64			size;

	if (varlena == NULL)
		return 0;
	size = json_writer_write_text(writer, VARDATA_ANY(varlena),
								  VARSIZE_ANY_EXHDR(varlena));
	aligned_varlena_release(value, varlena, NULL);
	return size;
}

/* Writes a "char" as 16 and later do: a byte above 127 is written \ooo. */
static int64
write_char(JsonWriter *writer, unsigned char c)
{
	char octal[] = {'\\', '0' + (c >> 6), '0' + ((c >> 3) & 7),
					'0' + (c & 7)};
	char plain = (char) c;

	if (IS_HIGHBIT_SET(c))
		return json_writer_write_text(writer, octal, sizeof(octal));
	return json_writer_write_text(writer, &plain, c == '\0' ? 0 : 1);
}

static int64
write_bytea(JsonWriter *writer, Datum value)
{
	struct varlena *varlena = unpack_varlena(writer, value);
	Size			length;
	Size			encoded;

	if (varlena == NULL)
		return 0;
	length = VARSIZE_ANY_EXHDR(varlena);
	encoded = BASE64_TEXT_LENGTH(length);
	json_writer_put_literal(writer, "{\"B\":\"");
	if (json_writer_reserve(writer, encoded))
	{
		(void) base64_text_put(writer->buf->data + writer->buf->len,
							   VARDATA_ANY(varlena), length);
		writer->buf->len += (int) encoded;
	}
	json_writer_put_literal(writer, "\"}");
	aligned_varlena_release(value, varlena, NULL);
	return length;
}

/* --- numbers ------------------------------------------------------------- */

/* The length of what stands around a number: {"N":""} */
#define NUMBER_FRAME 8

/*
 * Almost all integers go straight to the buffer.  Where a limit is near, or
 * DynamoDB's form is wanted, which need not be these digits, they go the way
 * of all numbers.
 */
static int64
write_integer(JsonWriter *writer, int64 value)
{
	char  digits[PLAIN_INTEGER_ROOM];
	char *out;
	int64 size;

	if (unlikely(writer->dynamodb_numbers ||
				 !json_writer_has_room(writer, PLAIN_INTEGER_ROOM + NUMBER_FRAME)))
	{
		out = plain_number_put_integer(digits, value, &size);
		return json_writer_write_number(writer, digits, out - digits);
	}
	out = writer->buf->data + writer->buf->len;
	memcpy(out, "{\"N\":\"", 6);
	out = plain_number_put_integer(out + 6, value, &size);
	memcpy(out, "\"}", 2);
	writer->buf->len = (int) (out + 2 - writer->buf->data);
	return size;
}

static int64
write_not_a_number(JsonWriter *writer, double value)
{
	const char *name = isnan(value) ? "NaN" :
					   value > 0	? "Infinity" :
									  "-Infinity";

	return json_writer_write_text(writer, name, strlen(name));
}

static int64
write_float4(JsonWriter *writer, float4 value)
{
	char digits[FLOAT_SHORTEST_DECIMAL_LEN];

	if (!isfinite(value))
		return write_not_a_number(writer, value);
	return json_writer_write_number(writer, digits,
									float_to_shortest_decimal_bufn(value,
																   digits));
}

static int64
write_float8(JsonWriter *writer, float8 value)
{
	char digits[DOUBLE_SHORTEST_DECIMAL_LEN];

	if (!isfinite(value))
		return write_not_a_number(writer, value);
	return json_writer_write_number(writer, digits,
									double_to_shortest_decimal_bufn(value,
																	digits));
}

/* --- dates and times ----------------------------------------------------- */

/* Writes a text that has nothing to escape. */
static int64
write_plain_cstring(JsonWriter *writer, const char *text)
{
	Size length = strlen(text);

	json_writer_put_plain(writer, 'S', text, length);
	return length;
}

static int64
write_date(JsonWriter *writer, DateADT date)
{
	char		 text[MAXDATELEN + 1];
	struct pg_tm tm;

	if (DATE_NOT_FINITE(date))
		EncodeSpecialDate(date, text);
	else
	{
		j2date(date + POSTGRES_EPOCH_JDATE, &tm.tm_year, &tm.tm_mon,
			   &tm.tm_mday);
		EncodeDateOnly(&tm, USE_XSD_DATES, text);
	}
	return write_plain_cstring(writer, text);
}

static int64
write_time(JsonWriter *writer, TimeADT time)
{
	char		 text[MAXDATELEN + 1];
	struct pg_tm tm;
	fsec_t		 fsec;

	time2tm(time, &tm, &fsec);
	EncodeTimeOnly(&tm, fsec, false, 0, USE_XSD_DATES, text);
	return write_plain_cstring(writer, text);
}

static int64
write_timetz(JsonWriter *writer, TimeTzADT *time)
{
	char		 text[MAXDATELEN + 1];
	struct pg_tm tm;
	fsec_t		 fsec;
	int			 tz;

	timetz2tm(time, &tm, &fsec, &tz);
	EncodeTimeOnly(&tm, fsec, true, tz, USE_XSD_DATES, text);
	return write_plain_cstring(writer, text);
}

/* Writes a timestamp, or a timestamptz in UTC. */
static int64
write_timestamp(JsonWriter *writer, Timestamp timestamp, bool with_tz)
{
	char		 text[MAXDATELEN + 1];
	char		*end;
	struct pg_tm tm;
	fsec_t		 fsec;

	if (likely(!TIMESTAMP_NOT_FINITE(timestamp) &&
			   (end = plain_time_put(text, timestamp, with_tz)) != NULL))
	{
		json_writer_put_plain(writer, 'S', text, end - text);
		return end - text;
	}
	if (TIMESTAMP_NOT_FINITE(timestamp))
		EncodeSpecialTimestamp(timestamp, text);
	else if (timestamp2tm(timestamp, NULL, &tm, &fsec, NULL, NULL) == 0)
	{
		tm.tm_isdst = 0; /* below 0 there would be no offset */
		EncodeDateTime(&tm, fsec, with_tz, 0, NULL, USE_XSD_DATES, text);
	}
	else
	{
		writer->failure = "timestamp out of range";
		return 0;
	}
	return write_plain_cstring(writer, text);
}

static int64
write_interval(JsonWriter *writer, Interval *interval)
{
	char		  text[MAXDATELEN + 1];
	struct pg_itm itm;

	if (INTERVAL_NOT_FINITE(interval))
		return write_plain_cstring(writer, INTERVAL_IS_NOBEGIN(interval) ?
											   EARLY :
											   LATE);
	interval2itm(*interval, &itm);
	EncodeInterval(&itm, INTSTYLE_ISO_8601, text);
	return write_plain_cstring(writer, text);
}

/* --- other built-in types ------------------------------------------------ */

static int64
write_uuid(JsonWriter *writer, const pg_uuid_t *uuid)
{
	char  text[HEX_DIGITS_UUID_ROOM];
	char *out = hex_digits_put_uuid(text, uuid->data);

	json_writer_put_plain(writer, 'S', text, out - text);
	return out - text;
}

/* Writes a macaddr or macaddr8, a struct of 6 or 8 bytes. */
static int64
write_macaddr(JsonWriter *writer, const unsigned char *bytes, int length)
{
	char  text[3 * sizeof(macaddr8)];
	char *out = text;

	for (int i = 0; i < length; i++)
	{
		if (i > 0)
			*out++ = ':';
		out = hex_digits_put(out, bytes + i, 1);
	}
	json_writer_put_plain(writer, 'S', text, out - text);
	return out - text;
}

static int64
write_network(JsonWriter *writer, Datum value, bool is_cidr)
{
	char		   text[sizeof("xxxx:xxxx:xxxx:xxxx:xxxx:xxxx:255.255.255.255/128")];
	AlignedVarlena space;
	inet		  *network = (inet *) aligned_varlena_make(value, &space);
	int64		   size = 0;

	if (pg_inet_net_ntop(ip_family(network), ip_addr(network),
						 ip_bits(network), text, sizeof(text)) == NULL)
	{
		text[0] = '\0';
		writer->failure = "malformed network address";
	}
	else if (is_cidr && strchr(text, '/') == NULL)
	{
		Size length = strlen(text);

		snprintf(text + length, sizeof(text) - length, "/%u",
				 ip_bits(network));
	}
	size = write_plain_cstring(writer, text);
	aligned_varlena_release(value, (struct varlena *) network, &space);
	return size;
}

static int64
write_json(JsonWriter *writer, Datum value)
{
	struct varlena *varlena = unpack_varlena(writer, value);
	int64			size;

	if (varlena == NULL)
		return 0;
	size = json_container_write_json(writer, VARDATA_ANY(varlena),
									 VARSIZE_ANY_EXHDR(varlena));
	aligned_varlena_release(value, varlena, NULL);
	return size;
}

static int64
write_jsonb(JsonWriter *writer, Datum value)
{
	AlignedVarlena	space;
	struct varlena *varlena = aligned_varlena_make(value, &space);
	int64			size = json_container_write_jsonb(writer, varlena);

	aligned_varlena_release(value, varlena, &space);
	return size;
}

static int64
write_array(JsonWriter *writer, Oid element_type, Datum value)
{
	AlignedVarlena	space;
	struct varlena *varlena = aligned_varlena_make(value, &space);
	ArrayType	   *array = (ArrayType *) varlena;
	int16			typlen;
	bool			typbyval;
	char			typalign;
	int64			size = 0;

	if (ARR_ELEMTYPE(array) != element_type ||
		!raw_storage(element_type, &typlen, &typbyval, &typalign))
		writer->failure = "malformed array";
	else
		size = json_container_write_array(writer, array, typlen, typbyval,
										  typalign, typed_json_write);
	aligned_varlena_release(value, varlena, &space);
	return size;
}

int64
typed_json_write(JsonWriter *writer, Oid type, Datum value)
{
	Oid element_type;

	switch (type)
	{
		case BOOLOID:
			return json_writer_write_bool(writer, DatumGetBool(value));
		case INT2OID:
			return write_integer(writer, DatumGetInt16(value));
		case INT4OID:
			return write_integer(writer, DatumGetInt32(value));
		case INT8OID:
			return write_integer(writer, DatumGetInt64(value));
		case NUMERICOID:
			return json_writer_write_numeric(writer, value);
		case FLOAT4OID:
			return write_float4(writer, DatumGetFloat4(value));
		case FLOAT8OID:
			return write_float8(writer, DatumGetFloat8(value));
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return write_varlena_text(writer, value);
		case CHAROID:
			return write_char(writer, (unsigned char) DatumGetChar(value));
		case NAMEOID:
			return json_writer_write_text(writer,
										  NameStr(*DatumGetName(value)),
										  strnlen(NameStr(*DatumGetName(value)),
												  NAMEDATALEN));
		case BYTEAOID:
			return write_bytea(writer, value);
		case DATEOID:
			return write_date(writer, DatumGetDateADT(value));
		case TIMEOID:
			return write_time(writer, DatumGetTimeADT(value));
		case TIMETZOID:
			return write_timetz(writer, DatumGetTimeTzADTP(value));
		case TIMESTAMPOID:
			return write_timestamp(writer, DatumGetTimestamp(value), false);
		case TIMESTAMPTZOID:
			return write_timestamp(writer, DatumGetTimestampTz(value), true);
		case INTERVALOID:
			return write_interval(writer, DatumGetIntervalP(value));
		case UUIDOID:
			return write_uuid(writer, DatumGetUUIDP(value));
		case JSONOID:
			return write_json(writer, value);
		case JSONBOID:
			return write_jsonb(writer, value);
		case INETOID:
		case CIDROID:
			return write_network(writer, value, type == CIDROID);
		case MACADDROID:
			return write_macaddr(writer,
								 (unsigned char *) DatumGetMacaddrP(value),
								 sizeof(macaddr));
		case MACADDR8OID:
			return write_macaddr(writer,
								 (unsigned char *) DatumGetMacaddr8P(value),
								 sizeof(macaddr8));
		default:
			element_type = raw_element_type(type);
			if (OidIsValid(element_type))
				return write_array(writer, element_type, value);
			writer->failure = "unknown type";
			return 0;
	}
}

int64
typed_json_append(StringInfo buf, Oid base_type, Datum value, Size limit)
{
	JsonWriter writer;
	int		   start = buf->len;
	int64	   size;

	json_writer_start(&writer, buf, limit);
	writer.dynamodb_numbers = setting_dynamodb_numbers;
	writer.is_quick = quick_value_is_usable();
	size = typed_json_write(&writer, base_type, value);
	return json_writer_finish(&writer, start, size);
}
