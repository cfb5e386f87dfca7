/*
 * typed_json.h
 *		PostgreSQL values as DynamoDB typed JSON.
 */
#ifndef DDBSTREAMS_TYPED_JSON_H
#define DDBSTREAMS_TYPED_JSON_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "typed_json/typed_json_writer.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h" /* 16 took it out of postgres.h */
#endif

extern bool	 typed_json_is_raw(Oid base_type);
extern int64 typed_json_append(StringInfo buf, Oid base_type, Datum value,
							   Size limit);

/* For rendered_value.c and unmarshal.c */
extern int64 typed_json_write(TypedJsonWriter *writer, Oid type, Datum value);

#endif /* DDBSTREAMS_TYPED_JSON_H */
