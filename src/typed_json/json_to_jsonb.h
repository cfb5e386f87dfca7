/*
 * json_to_jsonb.h
 *	  From a JSON text to jsonb, for texts that ddbstreams has written.
 */
#ifndef DDBSTREAMS_JSON_TO_JSONB_H
#define DDBSTREAMS_JSON_TO_JSONB_H

#include "base/ddbstreams.h"

#include "utils/jsonb.h"

/*
 * Returns what jsonb_in makes of a terminated text, byte by byte the same, in
 * a fraction of the time.  Raises the errors that jsonb_in does.
 */
extern Jsonb *json_to_jsonb(const char *text);

#endif /* DDBSTREAMS_JSON_TO_JSONB_H */
