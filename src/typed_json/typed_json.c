/*
 * typed_json.c
 *		PostgreSQL values as DynamoDB typed JSON: types of a stable format.
 *
 * Types with a stable format are written from their binary form alone: without
 * the catalogues, which may say something else by now, and without any
 * setting, so that a record reads the same in every session.  Hence few output
 * functions are called here.
 *
 * Nothing here raises an error for a value.  What does not fit or cannot be
 * written becomes a marker, an S attribute value "<ddbstreams: reason>".
 */
#include "postgres.h"

#include <math.h>

#include "access/detoast.h"
#include "catalog/pg_type_d.h"
#include "common/base64.h"
#include "common/shortest_dec.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/inet.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "typed_json/typed_json.h"
#include "typed_json/typed_json_container.h"

/*
 * How elements of a raw type are stored in an array, which the catalogue is
 * not asked for.  False if the type is not a raw scalar one.
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

/* The element type of an array type over a raw scalar type, or InvalidOid. */
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

/*
 * Whether values of this type, never a domain, have a stable format and need
 * no catalogue to be written.
 */
bool
typed_json_is_raw(Oid base_type)
{
	int16 typlen;
	bool  typbyval;
	char  typalign;

	return raw_storage(base_type, &typlen, &typbyval, &typalign) ||
		   OidIsValid(raw_element_type(base_type));
}

/* Bytes of a varlena in place, or palloc'd if compressed. */
static struct varlena *
unpack_varlena(TypedJsonWriter *writer, Datum value)
{
	struct varlena *varlena = (struct varlena *) DatumGetPointer(value);

	if (likely(!VARATT_IS_EXTENDED(varlena) || VARATT_IS_SHORT(varlena)))
		return varlena;

	/* Do not decompress what is too large in any case. */
	if (toast_raw_datum_size(value) - VARHDRSZ > writer->limit)
	{
		writer->failure = "value too large";
		return NULL;
	}
	return detoast_attr(varlena);
}

static int64
write_varlena_text(TypedJsonWriter *writer, Datum value)
{
	struct varlena *varlena = unpack_varlena(writer, value);
	int64			size;

	if (varlena == NULL)
		return 0;
	size = typed_json_write_text(writer, VARDATA_ANY(varlena),
								 VARSIZE_ANY_EXHDR(varlena));
	typed_json_release(value, varlena, NULL);
	return size;
}

/* As since 16: a byte that is no character of its own is written \ooo. */
static int64
write_char(TypedJsonWriter *writer, unsigned char c)
{
	char octal[] = {'\\', '0' + (c >> 6), '0' + ((c >> 3) & 7),
					'0' + (c & 7)};
	char plain = (char) c;

	if (IS_HIGHBIT_SET(c))
		return typed_json_write_text(writer, octal, sizeof(octal));
	return typed_json_write_text(writer, &plain, c == '\0' ? 0 : 1);
}

static int64
write_bytea(TypedJsonWriter *writer, Datum value)
{
	struct varlena *varlena = unpack_varlena(writer, value);
	Size			length;
	Size			encoded;

	if (varlena == NULL)
		return 0;
	length = VARSIZE_ANY_EXHDR(varlena);
	encoded = (length + 2) / 3 * 4;
	typed_json_put_literal(writer, "{\"B\":\"");
	if (typed_json_reserve(writer, encoded))
	{
#if PG_VERSION_NUM >= 180000
		const uint8 *bytes = (const uint8 *) VARDATA_ANY(varlena);
#else
		const char *bytes = VARDATA_ANY(varlena);
#endif
		int written;

		written = pg_b64_encode(bytes, (int) length,
								writer->buf->data + writer->buf->len,
								(int) encoded);
		Assert(written == (int) encoded);
		writer->buf->len += written;
	}
	typed_json_put_literal(writer, "\"}");
	typed_json_release(value, varlena, NULL);
	return length;
}

/*
 * Numbers
 */

static int64
write_integer(TypedJsonWriter *writer, int64 value)
{
	char digits[MAXINT8LEN + 1];

	return typed_json_write_number(writer, digits, pg_lltoa(value, digits));
}

static int64
write_not_a_number(TypedJsonWriter *writer, double value)
{
	const char *name = isnan(value) ? "NaN" :
					   value > 0	? "Infinity" :
									  "-Infinity";

	return typed_json_write_text(writer, name, strlen(name));
}

static int64
write_float4(TypedJsonWriter *writer, float4 value)
{
	char digits[FLOAT_SHORTEST_DECIMAL_LEN];

	if (!isfinite(value))
		return write_not_a_number(writer, value);
	return typed_json_write_number(writer, digits,
								   float_to_shortest_decimal_bufn(value,
																  digits));
}

static int64
write_float8(TypedJsonWriter *writer, float8 value)
{
	char digits[DOUBLE_SHORTEST_DECIMAL_LEN];

	if (!isfinite(value))
		return write_not_a_number(writer, value);
	return typed_json_write_number(writer, digits,
								   double_to_shortest_decimal_bufn(value,
																   digits));
}

/*
 * Dates and times
 */

static int64
write_plain_cstring(TypedJsonWriter *writer, const char *text)
{
	Size length = strlen(text);

	typed_json_put_plain(writer, 'S', text, length);
	return length;
}

static int64
write_date(TypedJsonWriter *writer, DateADT date)
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
write_time(TypedJsonWriter *writer, TimeADT time)
{
	char		 text[MAXDATELEN + 1];
	struct pg_tm tm;
	fsec_t		 fsec;

	time2tm(time, &tm, &fsec);
	EncodeTimeOnly(&tm, fsec, false, 0, USE_XSD_DATES, text);
	return write_plain_cstring(writer, text);
}

static int64
write_timetz(TypedJsonWriter *writer, TimeTzADT *time)
{
	char		 text[MAXDATELEN + 1];
	struct pg_tm tm;
	fsec_t		 fsec;
	int			 tz;

	timetz2tm(time, &tm, &fsec, &tz);
	EncodeTimeOnly(&tm, fsec, true, tz, USE_XSD_DATES, text);
	return write_plain_cstring(writer, text);
}

/* A timestamp, or in UTC a timestamptz. */
static int64
write_timestamp(TypedJsonWriter *writer, Timestamp timestamp, bool with_tz)
{
	char		 text[MAXDATELEN + 1];
	struct pg_tm tm;
	fsec_t		 fsec;

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
write_interval(TypedJsonWriter *writer, Interval *interval)
{
	char		  text[MAXDATELEN + 1];
	struct pg_itm itm;

#ifdef INTERVAL_NOT_FINITE /* since 17 */
	if (INTERVAL_NOT_FINITE(interval))
		return write_plain_cstring(writer, INTERVAL_IS_NOBEGIN(interval) ?
											   EARLY :
											   LATE);
#endif
	interval2itm(*interval, &itm);
	EncodeInterval(&itm, INTSTYLE_ISO_8601, text);
	return write_plain_cstring(writer, text);
}

/*
 * Other built-in types
 */

/* Writes length bytes as hexadecimal digits into out; returns its end. */
static inline char *
put_hex(char *out, const unsigned char *bytes, int length)
{
	return out + hex_encode((const char *) bytes, length, out);
}

static int64
write_uuid(TypedJsonWriter *writer, const pg_uuid_t *uuid)
{
	static const int	 groups[] = {4, 2, 2, 2, 6};
	const unsigned char *bytes = uuid->data;
	char				 text[2 * UUID_LEN + lengthof(groups)];
	char				*out = text;

	for (int i = 0; i < (int) lengthof(groups); i++)
	{
		if (i > 0)
			*out++ = '-';
		out = put_hex(out, bytes, groups[i]);
		bytes += groups[i];
	}
	typed_json_put_plain(writer, 'S', text, out - text);
	return out - text;
}

/* macaddr and macaddr8 are structs of 6 and 8 bytes. */
static int64
write_macaddr(TypedJsonWriter *writer, const unsigned char *bytes, int length)
{
	char  text[3 * sizeof(macaddr8)];
	char *out = text;

	for (int i = 0; i < length; i++)
	{
		if (i > 0)
			*out++ = ':';
		out = put_hex(out, bytes + i, 1);
	}
	typed_json_put_plain(writer, 'S', text, out - text);
	return out - text;
}

static int64
write_network(TypedJsonWriter *writer, Datum value, bool is_cidr)
{
	char		   text[sizeof("xxxx:xxxx:xxxx:xxxx:xxxx:xxxx:255.255.255.255/128")];
	AlignedVarlena space;
	inet		  *network = (inet *) typed_json_align(value, &space);
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
	typed_json_release(value, (struct varlena *) network, &space);
	return size;
}

static int64
write_json(TypedJsonWriter *writer, Datum value)
{
	struct varlena *varlena = unpack_varlena(writer, value);
	int64			size;

	if (varlena == NULL)
		return 0;
	size = typed_json_write_json(writer, VARDATA_ANY(varlena),
								 VARSIZE_ANY_EXHDR(varlena));
	typed_json_release(value, varlena, NULL);
	return size;
}

static int64
write_jsonb(TypedJsonWriter *writer, Datum value)
{
	AlignedVarlena	space;
	struct varlena *varlena = typed_json_align(value, &space);
	int64			size = typed_json_write_jsonb(writer, varlena);

	typed_json_release(value, varlena, &space);
	return size;
}

static int64
write_array(TypedJsonWriter *writer, Oid element_type, Datum value)
{
	AlignedVarlena	space;
	struct varlena *varlena = typed_json_align(value, &space);
	ArrayType	   *array = (ArrayType *) varlena;
	int16			typlen;
	bool			typbyval;
	char			typalign;
	int64			size = 0;

	if (ARR_ELEMTYPE(array) != element_type ||
		!raw_storage(element_type, &typlen, &typbyval, &typalign))
		writer->failure = "malformed array";
	else
		size = typed_json_write_array(writer, array, typlen, typbyval,
									  typalign, typed_json_write);
	typed_json_release(value, varlena, &space);
	return size;
}

/* Writes the attribute value of a non-null value of a raw type. */
int64
typed_json_write(TypedJsonWriter *writer, Oid type, Datum value)
{
	Oid element_type;

	switch (type)
	{
		case BOOLOID:
			return typed_json_write_bool(writer, DatumGetBool(value));
		case INT2OID:
			return write_integer(writer, DatumGetInt16(value));
		case INT4OID:
			return write_integer(writer, DatumGetInt32(value));
		case INT8OID:
			return write_integer(writer, DatumGetInt64(value));
		case NUMERICOID:
			return typed_json_write_numeric(writer, value);
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
			return typed_json_write_text(writer,
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

/*
 * Appends the attribute value of a non-null value of a raw type, for example
 * {"N":"1.50"}, and returns its size by the item-size rules.  The value may be
 * a short or compressed varlena, but not an external one.  If buf->len would
 * grow beyond limit or the value cannot be written, a marker is appended
 * instead, which may pass the limit.
 */
int64
typed_json_append(StringInfo buf, Oid base_type, Datum value, Size limit)
{
	TypedJsonWriter writer;
	int				start = buf->len;
	int64			size;

	typed_json_start(&writer, buf, limit);
	size = typed_json_write(&writer, base_type, value);
	return typed_json_finish(&writer, start, size);
}
