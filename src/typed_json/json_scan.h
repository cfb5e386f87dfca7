/*
 * json_scan.h
 *	  The tokens of a JSON text, one after the other.
 */
#ifndef DDBSTREAMS_JSON_SCAN_H
#define DDBSTREAMS_JSON_SCAN_H

#include "base/ddbstreams.h"

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
	const char *next; /* where the next token begins */
	const char *end;  /* of the text */

	/* The token at hand.  start and length of a string include the quotes. */
	JsonScanToken token;
	const char	 *start;
	Size		  length;
	Size		  escaped;	 /* bytes in a string's escape sequences */
	Size		  unescaped; /* the bytes in UTF-8 that they stand for */
	bool		  unusable;	 /* jsonb would refuse the string */
} JsonScan;

/* Begins to scan a text; the first token is the next one. */
extern void json_scan_start(JsonScan *scan, const char *text, Size length);

/*
 * Moves to the next token and returns it.  Whether the tokens follow each
 * other as JSON wants is for the caller to check.  Never raises an error: what
 * is no token is JSON_SCAN_INVALID.
 */
extern JsonScanToken json_scan_next(JsonScan *scan);

#endif /* DDBSTREAMS_JSON_SCAN_H */
