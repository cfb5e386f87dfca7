/*
 * record_json.h
 *	  A record as AWS writes it.
 */
#ifndef DDBSTREAMS_RECORD_JSON_H
#define DDBSTREAMS_RECORD_JSON_H

#include "base/ddbstreams.h"

#include "lib/stringinfo.h"
#include "reading/record_page.h"

extern void record_json_append(StringInfo buf, RecordPage *page);
extern void record_json_append_members(StringInfo buf, RecordPage *page);

#endif /* DDBSTREAMS_RECORD_JSON_H */
