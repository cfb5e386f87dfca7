/*
 * rendered_value.h
 *	  Values rendered at capture, which need no catalogue later.
 */
#ifndef DDBSTREAMS_RENDERED_VALUE_H
#define DDBSTREAMS_RENDERED_VALUE_H

#include "base/ddbstreams.h"

#include "lib/stringinfo.h"

/*
 * Renders a non-null value of any type, domains and RECORD included.  Returns
 * an uncompressed varlena with a four-byte header, palloc'd.  Raises an error
 * only if the type's output function does.
 */
extern struct varlena *rendered_value_make(Oid type, Datum value);

/* Returns what stands for a value that cannot be had, palloc'd. */
extern struct varlena *rendered_value_make_marker(const char *reason);

/*
 * Appends the typed JSON of a rendered value, which may be a short or
 * compressed varlena, and returns its size by the item-size rules.  If
 * buf->len would grow beyond limit, a marker is appended instead.
 */
extern int64 rendered_value_append_json(StringInfo buf, Datum rendered,
										Size limit);

/*
 * Returns the text output of a rendered value, palloc'd, or NULL if the value
 * could not be rendered.
 */
extern char *rendered_value_text(Datum rendered);

#endif /* DDBSTREAMS_RENDERED_VALUE_H */
