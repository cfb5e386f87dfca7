/*
 * json_container.h
 *	  Arrays, json and jsonb as typed JSON.
 *
 * Each function writes an attribute value and returns its size by the
 * item-size rules.
 */
#ifndef DDBSTREAMS_JSON_CONTAINER_H
#define DDBSTREAMS_JSON_CONTAINER_H

#include "base/ddbstreams.h"

#include "typed_json/json_writer.h"
#include "utils/array.h"

/* Writes the attribute value of a non-null value of a type. */
typedef int64 (*JsonElementWriter)(JsonWriter *writer, Oid type, Datum value);

/*
 * Writes an array as a list, nested for more dimensions, with "write" for each
 * non-null element.
 */
extern int64 json_container_write_array(JsonWriter *writer, ArrayType *array,
										int16 typlen, bool typbyval,
										char			  typalign,
										JsonElementWriter write);

/*
 * Writes a json value by what it holds, numbers with the digits that they have
 * there.  A value that jsonb would refuse (for example for \u0000) is written
 * as text.
 */
extern int64 json_container_write_json(JsonWriter *writer, const char *text,
									   Size length);

/* Writes a jsonb value, with an aligned four-byte header, by what it holds. */
extern int64 json_container_write_jsonb(JsonWriter	   *writer,
										struct varlena *value);

#endif /* DDBSTREAMS_JSON_CONTAINER_H */
