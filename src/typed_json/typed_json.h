/*
 * typed_json.h
 *	  PostgreSQL values as DynamoDB typed JSON: types of a stable format.
 */
#ifndef DDBSTREAMS_TYPED_JSON_H
#define DDBSTREAMS_TYPED_JSON_H

#include "base/ddbstreams.h"

#include "lib/stringinfo.h"
#include "typed_json/json_writer.h"

/*
 * Is a type raw: do its values have a stable format, so that they are stored
 * as they are and need no catalogue to be written?  base_type is never a
 * domain.
 */
extern bool typed_json_is_raw(Oid base_type);

/*
 * Appends the attribute value of a non-null value of a raw type, for example
 * {"N":"1.50"}, and returns its size by the item-size rules.  The value may be
 * a short or compressed varlena, but not an external one.  If buf->len would
 * grow beyond limit or the value cannot be written, a marker is appended
 * instead, which may pass the limit.
 */
extern int64 typed_json_append(StringInfo buf, Oid base_type, Datum value,
							   Size limit);

/* The same with a writer: what cannot be written makes the writer fail. */
extern int64 typed_json_write(JsonWriter *writer, Oid type, Datum value);

#endif /* DDBSTREAMS_TYPED_JSON_H */
