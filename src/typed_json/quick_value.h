/*
 * quick_value.h
 *	  Attribute values of frequent types, in a few steps.
 *
 * What is written here is what typed_json_append appends.  It leaves to
 * typed_json_append whatever needs more than a look at the value: escapes,
 * memory, compressed values, numbers in DynamoDB's form, texts of encodings
 * whose sizes have to be counted in UTF-8.
 */
#ifndef DDBSTREAMS_QUICK_VALUE_H
#define DDBSTREAMS_QUICK_VALUE_H

#include "base/ddbstreams.h"

/* What quick_value_put knows of a type */
typedef enum QuickKind
{
	QUICK_NONE,
	QUICK_BOOL,
	QUICK_INT2,
	QUICK_INT4,
	QUICK_INT8,
	QUICK_NUMERIC,
	QUICK_FLOAT4,
	QUICK_FLOAT8,
	QUICK_TEXT,
	QUICK_DATE,
	QUICK_TIMESTAMP,
	QUICK_TIMESTAMPTZ,
	QUICK_UUID
} QuickKind;

/* Returns what is known of a base type. */
extern QuickKind quick_value_kind(Oid base_type);

/* Returns how all quick values of a kind begin, for example {"S":" */
extern const char *quick_value_lead(QuickKind kind);

/* May values be written so, in this session and under its settings? */
extern bool quick_value_is_usable(void);

/*
 * Writes what follows the lead of a non-null value to out, which has room up
 * to end.  Returns its end and sets *size to the value's size by the item-size
 * rules; or NULL if the value is left to typed_json_append.
 */
extern char *quick_value_put(QuickKind kind, Datum value, char *out,
							 const char *end, int64 *size);

#endif /* DDBSTREAMS_QUICK_VALUE_H */
