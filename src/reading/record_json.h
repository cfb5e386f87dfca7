/*
 * record_json.h
 *	  A record as the JSON that AWS writes.
 */
#ifndef DDBSTREAMS_RECORD_JSON_H
#define DDBSTREAMS_RECORD_JSON_H

#include "base/ddbstreams.h"

#include "lib/stringinfo.h"
#include "reading/record_page.h"

/*
 * GetRecords and Lambda's events write a record alike, but for the names in
 * userIdentity and the fraction of ApproximateCreationDateTime.
 */
typedef enum RecordForm
{
	RECORD_OF_PAGE,
	RECORD_OF_EVENT
} RecordForm;

/* Appends a page's present record, an object as in GetRecords. */
extern void record_json_append(StringInfo buf, RecordPage *page);

/*
 * Appends the members of such an object without the braces, so that the caller
 * can put others beside them.
 */
extern void record_json_append_members(StringInfo buf, RecordPage *page,
									   RecordForm form);

#endif /* DDBSTREAMS_RECORD_JSON_H */
