/*
 * rendered_value.h
 *		Values rendered at capture, which need no catalogue later.
 */
#ifndef DDBSTREAMS_RENDERED_VALUE_H
#define DDBSTREAMS_RENDERED_VALUE_H

#include "postgres.h"

#include "lib/stringinfo.h"

extern struct varlena *rendered_value_make(Oid type, Datum value);
extern struct varlena *rendered_value_make_marker(const char *reason);
extern int64		   rendered_value_append_json(StringInfo buf, Datum rendered,
												  Size limit);
extern char			  *rendered_value_text(Datum rendered);

#endif /* DDBSTREAMS_RENDERED_VALUE_H */
