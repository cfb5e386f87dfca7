/*
 * typed_json_container.h
 *	  Arrays, json and jsonb as typed JSON; the tokens of a JSON text.
 */
#ifndef DDBSTREAMS_TYPED_JSON_CONTAINER_H
#define DDBSTREAMS_TYPED_JSON_CONTAINER_H

#include "base/ddbstreams.h"

#include "typed_json/typed_json_writer.h"

extern int64 typed_json_write_array(TypedJsonWriter *writer, ArrayType *array,
									int16 typlen, bool typbyval,
									char				   typalign,
									TypedJsonElementWriter write);
extern int64 typed_json_write_json(TypedJsonWriter *writer, const char *text,
								   Size length);
extern int64 typed_json_write_jsonb(TypedJsonWriter *writer,
									struct varlena	*value);

/*
 * The tokens of a JSON text, one after the other, without recursion and
 * without ever raising an error.
 */
typedef enum JsonScanToken
{
	JSON_SCAN_END,
	JSON_SCAN_STRING,
	JSON_SCAN_NUMBER,
	JSON_SCAN_TRUE,
	JSON_SCAN_FALSE,
	JSON_SCAN_NULL,
	JSON_SCAN_OBJECT_START,
	JSON_SCAN_OBJECT_END,
	JSON_SCAN_ARRAY_START,
	JSON_SCAN_ARRAY_END,
	JSON_SCAN_COMMA,
	JSON_SCAN_COLON,
	JSON_SCAN_INVALID
} JsonScanToken;

typedef struct JsonScan
{
	const char *next;
	const char *end;

	/* the token at hand; of a string, start and length include the quotes */
	JsonScanToken token;
	const char	 *start;
	Size		  length;
	Size		  escaped;	 /* bytes in a string's escape sequences */
	Size		  unescaped; /* the UTF-8 bytes these stand for */
	bool		  unusable;	 /* a string that jsonb would refuse */
} JsonScan;

extern void			 json_scan_start(JsonScan *scan, const char *text, Size length);
extern JsonScanToken json_scan_next(JsonScan *scan);

#endif /* DDBSTREAMS_TYPED_JSON_CONTAINER_H */
